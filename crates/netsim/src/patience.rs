//! How long a run may go on before the network gives up on its endpoints.

/// Moments that one run may take before the network gives up. A machine that never falls silent ends here.
const MAX_STEPS: usize = 200_000;

/// How often time may stand still before the network gives up.
const MAX_STEPS_PER_INSTANT: usize = 1_000;

/// How long a run may go on.
pub(crate) struct Patience {
    steps: Option<usize>,
    at_this_instant: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self { steps: Some(MAX_STEPS), at_this_instant: MAX_STEPS_PER_INSTANT }
    }
}

impl Patience {
    /// For a run that ends by itself at a given time: only standing still is limited.
    pub(crate) fn without_limit_of_steps() -> Self {
        Self { steps: None, ..Self::default() }
    }

    /// Counts a step.
    pub(crate) fn spend(&mut self, time_moves: bool) -> Result<(), &'static str> {
        if time_moves {
            self.at_this_instant = MAX_STEPS_PER_INSTANT;
        }
        self.at_this_instant = self
            .at_this_instant
            .checked_sub(1)
            .ok_or("time stands still: an endpoint asks again and again for a moment that has passed")?;
        if let Some(steps) = &mut self.steps {
            *steps = steps.checked_sub(1).ok_or("the endpoints don't fall silent")?;
        }
        Ok(())
    }
}

//! What one user and one source address may have: allocations at once, bits per second.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use slab::Slab;

use super::allocation::relax;

use crate::Quota;

/// Over this time bandwidth is averaged: what an idle account has saved up.
const SAVED: Duration = Duration::from_secs(1);
/// Most accounts without allocations that are kept until their savings are whole again. Beyond, they are forgotten at once.
const MAX_LINGERING: usize = 10_000;

/// An IPv4 address, or the /64 of an IPv6 one: who can have one address there can have all.
#[must_use]
pub(super) fn prefix(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        // Not to be confused with an IPv4 address: those have zeros where this has ones.
        IpAddr::V6(ip) => u128::from(ip) | u128::from(u64::MAX),
    }
}

/// The accounts of all users, or of all addresses, that have allocations.
pub(super) struct Accounts<K> {
    quota: Quota,
    by_key: BTreeMap<K, u32>,
    accounts: Slab<Account<K>>,
    lingering: usize,
}

struct Account<K> {
    key: K,
    /// Allocations and reservations.
    held: u32,
    /// Bits that may be sent now; below zero after a datagram larger than what was left.
    saved: i64,
    counted: Instant,
    lingers_until: Option<Instant>,
}

/// What became of an account that gave something back.
pub(super) enum Left {
    /// It has more, or it was forgotten.
    Nothing,
    /// Call [`forget`](Accounts::forget) then, so that nobody gets more by coming anew.
    Until(Instant),
}

impl<K: Ord + Clone> Accounts<K> {
    pub(super) const fn new(quota: Quota) -> Self {
        Self { quota, by_key: BTreeMap::new(), accounts: Slab::new(), lingering: 0 }
    }

    /// Whether `key` may have `more`.
    pub(super) fn may_have<Q: Ord + ?Sized>(&self, key: &Q, more: u32) -> bool
    where
        K: Borrow<Q>,
    {
        let held = self.by_key.get(key).map_or(0, |index| self.accounts[*index as usize].held);
        self.quota.allocations.is_none_or(|limit| held.saturating_add(more) <= limit)
    }

    /// Takes one for `key`, and says which account it is and which timer no longer matters.
    pub(super) fn take(&mut self, now: Instant, key: K) -> (u32, Option<Instant>) {
        let Self { quota, by_key, accounts, .. } = self;
        let index = *by_key.entry(key.clone()).or_insert_with(|| {
            let saved = quota.bits_per_second.map_or(0, signed);
            let account = Account { key, held: 0, saved, counted: now, lingers_until: None };
            u32::try_from(accounts.insert(account)).expect("bounded by the number of allocations")
        });
        let account = &mut self.accounts[index as usize];
        account.held += 1;
        let timer = account.lingers_until.take();
        self.lingering -= usize::from(timer.is_some());
        (index, timer)
    }

    /// Takes one more of an account that has some.
    pub(super) fn take_again(&mut self, index: u32) {
        self.accounts[index as usize].held += 1;
    }

    /// Gives one back.
    pub(super) fn give_back(&mut self, now: Instant, index: u32) -> Left {
        let account = &mut self.accounts[index as usize];
        account.held -= 1;
        if account.held > 0 {
            return Left::Nothing;
        }
        if self.quota.bits_per_second.is_some() && self.lingering < MAX_LINGERING {
            let until = now + SAVED;
            account.lingers_until = Some(until);
            self.lingering += 1;
            return Left::Until(until);
        }
        self.remove(index);
        Left::Nothing
    }

    /// The time has come to forget an account, if it still has nothing.
    pub(super) fn forget(&mut self, index: u32) {
        if self.accounts.get(index as usize).is_some_and(|it| it.held == 0) {
            self.lingering -= 1;
            self.remove(index);
        }
    }

    fn remove(&mut self, index: u32) {
        let account = self.accounts.remove(index as usize);
        self.by_key.remove(&account.key);
        relax(&mut self.accounts);
    }

    /// Whether this account is `key`'s.
    pub(super) fn is(&self, index: u32, key: &K) -> bool {
        self.accounts.get(index as usize).is_some_and(|it| it.key == *key)
    }

    /// Whether this account may send now. HOT.
    pub(super) fn may_send(&mut self, now: Instant, index: u32) -> bool {
        let Some(rate) = self.quota.bits_per_second else { return true };
        let Some(account) = self.accounts.get_mut(index as usize) else { return false };
        let elapsed = now.saturating_duration_since(account.counted).min(2 * SAVED);
        let earned = u128::from(rate) * elapsed.as_nanos() / 1_000_000_000;
        if earned > 0 {
            account.counted = account.counted.max(now);
            account.saved = account.saved.saturating_add_unsigned(earned as u64).min(signed(rate));
        }
        account.saved > 0
    }

    /// This account has sent. HOT.
    pub(super) fn spend(&mut self, index: u32, bytes: usize) {
        if self.quota.bits_per_second.is_some()
            && let Some(account) = self.accounts.get_mut(index as usize)
        {
            account.saved -= signed(bytes as u64 * 8);
        }
    }
}

fn signed(bits: u64) -> i64 {
    i64::try_from(bits).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(bits_per_second: u64) -> Accounts<u32> {
        Accounts::new(Quota { allocations: Some(2), bits_per_second: Some(bits_per_second) })
    }

    #[test]
    fn bandwidth_is_what_its_name_says() {
        let start = Instant::now();
        let mut accounts = accounts(80_000);
        let (index, _) = accounts.take(start, 7);
        let mut passed = 0;
        // 10 seconds, a datagram of 100 bytes each millisecond: ten times the rate.
        for millis in 0..10_000 {
            if accounts.may_send(start + Duration::from_millis(millis), index) {
                accounts.spend(index, 100);
                passed += 800;
            }
        }
        assert!((800_000..=880_800).contains(&passed), "10 s and 1 s saved: {passed}");
    }

    #[test]
    fn who_comes_anew_finds_the_account_as_it_was() {
        let start = Instant::now();
        let mut accounts = accounts(8_000);
        let (index, _) = accounts.take(start, 7);
        accounts.spend(index, 2_000);
        let Left::Until(until) = accounts.give_back(start, index) else { panic!("it lingers") };
        let (again, timer) = accounts.take(start, 7);
        assert_eq!((again, timer), (index, Some(until)));
        assert!(!accounts.may_send(start, again));
        let Left::Until(_) = accounts.give_back(start, again) else { panic!("it lingers") };
        accounts.forget(again);
        assert_eq!((accounts.accounts.len(), accounts.by_key.len(), accounts.lingering), (0, 0, 0));
    }

    #[test]
    fn an_ipv6_subscriber_is_one() {
        let prefix = |text: &str| prefix(text.parse().expect("an address"));
        assert_eq!(prefix("2001:db8::1"), prefix("2001:db8::ffff:0:0:1"));
        assert_ne!(prefix("2001:db8::1"), prefix("2001:db8:0:1::1"));
        assert_ne!(prefix("192.0.2.1"), prefix("192.0.2.2"));
        assert_eq!(prefix("192.0.2.1"), prefix("::ffff:192.0.2.1"));
    }
}

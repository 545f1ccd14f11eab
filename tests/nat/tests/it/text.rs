//! Tables as text: what a test expects is what a reader sees.

use headwater_nat::Surroundings;

/// Fails with the first row that differs. Columns are all surroundings, rows those that `first` names.
pub(crate) fn assert_table(
    expected: &str,
    first: &[Surroundings],
    cell: impl Fn(Surroundings, Surroundings) -> String,
) {
    let mut expected = expected.trim_matches('\n').lines().map(cells);
    let heads: Vec<String> = Surroundings::ALL.iter().map(|it| format!("{it:?}")).collect();
    assert_eq!(expected.next().expect("a head")[1..], heads, "the head of the table");
    for first in first {
        let mut row = vec![format!("{first:?}")];
        row.extend(Surroundings::ALL.map(|second| cell(*first, second)));
        assert_eq!(Some(row), expected.next());
    }
    assert_eq!(expected.next(), None);
}

/// What is written between the bars.
fn cells(line: &str) -> Vec<String> {
    line.split('|').map(|it| it.trim().to_owned()).collect()
}

//! Many rows in one statement. Row counts are cut into powers of two, so that a handful of prepared statements serve
//! every group size.

use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{QueryBuilder, query_builder::Separated};

use super::StoreError;

/// The most rows one statement carries; with ten columns far below SQLite's limit of 32,766 parameters.
const MOST: usize = 64;

/// Runs `head` with `VALUES` for all rows, then `tail`.
pub(super) async fn insert<T>(
    connection: &mut SqliteConnection,
    head: &'static str,
    tail: &'static str,
    rows: &[T],
    mut bind: impl for<'a> FnMut(&mut Separated<'_, Sqlite, &'static str>, &'a T),
) -> Result<(), StoreError> {
    let mut rest = rows;
    while !rest.is_empty() {
        let count = 1 << rest.len().min(MOST).ilog2();
        let (now, later) = rest.split_at(count);
        let mut builder = QueryBuilder::<Sqlite>::new(head);
        builder.push_values(now, |mut row, value| bind(&mut row, value));
        builder.push(tail);
        builder.build().execute(&mut *connection).await?;
        rest = later;
    }
    Ok(())
}

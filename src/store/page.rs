//! Pages of rows, for work that goes over a whole table. A row that does not open is counted and left out: one broken
//! row must not keep everybody else from being written to, or from being left alone (`store verify` names it).

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::StoreError;

/// A page of rows.
#[derive(Debug, Clone)]
pub struct Page<T, C> {
    /// The rows that opened.
    pub rows: Vec<T>,
    /// After which row the next page begins; none at the end of the table.
    pub next: Option<C>,
    /// How many rows of the page did not open.
    pub broken: u64,
}

impl<T, C> Page<T, C> {
    /// Opens rows whose first column is the cursor.
    pub(super) fn of<E>(
        rows: &[SqliteRow],
        limit: u32,
        table: &'static str,
        cursor: impl FnOnce(&[u8]) -> Result<C, E>,
        open: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Result<Self, StoreError> {
        let mut page = Self {
            rows: Vec::with_capacity(rows.len()),
            next: None,
            broken: 0,
        };
        for row in rows {
            match open(row) {
                Ok(one) => page.rows.push(one),
                Err(error) => {
                    page.broken += 1;
                    tracing::error!(%error, table, "left out a row");
                }
            }
        }
        if let Some(last) = rows.last().filter(|_| rows.len() >= limit as usize) {
            page.next = Some(super::id_of(last.try_get(0)?, cursor, table)?);
        }
        Ok(page)
    }
}

//! Importing people who said yes elsewhere. An import never subscribes: each good row waits, sealed, for a second person's
//! approval, and then for its turn to be asked "was it you?". Its link opens the full form, whose boxes are the consent:
//! what the file says stays beside it as its origin. Who was ever suppressed is left alone.
//!
//! The file is CSV with the columns `address,lists,channel,date,batch` and, if wanted,
//! `constituency,wording,wording_sha256,language,age,source`. A suppression file, with the columns `address` and if
//! wanted `lists,date`, comes with it, or the statement that there is none (law C10).

mod batch;
pub(super) mod register;
mod row;
mod suppress;

use std::collections::{HashMap, HashSet};

pub(super) use batch::HELD;
pub use batch::{ImportBatch, ImportState};
use register::tells_of_register;
pub use row::RowProblem;
use row::{GoodRow, Judge, KnownWording, OPTIONAL, REQUIRED, digest_of};

use super::act::{By, act_step};
use super::csv::{CsvError, CsvProblem, Header, Row};
use super::wording::{self, CONSENT, WordingDigest};
use super::{Consent, ConsentError, Lang};
use crate::audit::ActObject;
use crate::store::{Change, Intake, IntakeRecord, Step};
use crate::vault::{Index, IndexColumn};

/// Bytes in one line.
const LINE: usize = 16 * 1024;
/// How many rejected rows are named; beyond that they are counted.
const NAMED: usize = 1000;
/// How many rows one transaction keeps.
const ROWS: usize = 200;

/// Why one row was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Rejected {
    /// The line in the file; the header is line 1.
    pub line: usize,
    /// Why, without anything that stands in the row.
    pub why: String,
}

/// What came of an import's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportReport {
    /// The number by which a second person approves it.
    pub batch: String,
    /// Rows that wait.
    pub taken: u64,
    /// Rows of the suppression file that are in force, at least for one list.
    pub suppressed: u64,
    /// Rows of it that changed nothing: who is named there said yes here after that day.
    pub outdated: u64,
    /// Rows that were not taken, the first thousand.
    pub rejected: Vec<Rejected>,
    /// How many more.
    pub unnamed: u64,
}

/// Why a whole file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file can't be read as it must.
    #[error(transparent)]
    File(#[from] CsvError),
    /// A column from the electoral register.
    #[error(
        "the header has a column of the electoral register: a register is no consent, and using it for this is unlawful"
    )]
    Register,
    /// No suppression file.
    #[error(
        "there is no suppression file: give the old system's list of those who left, or state that there is none"
    )]
    NoSuppressions,
    /// The room refused.
    #[error(transparent)]
    Consent(#[from] ConsentError),
}

impl From<crate::store::StoreError> for ImportError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Consent(error.into())
    }
}

/// An import that is being fed.
pub struct Import {
    consent: Consent,
    by: By,
    batch: ImportBatch,
    /// Nothing is to be done, but to say what would be.
    trial: bool,
    people: Lines,
    suppressions: Lines,
    /// Who was seen, so that nobody stands there twice.
    seen: HashSet<Index>,
    known: HashMap<WordingDigest, Option<KnownWording>>,
    waiting: Vec<Step>,
    report: ImportReport,
}

/// A file that comes in pieces, cut into lines.
#[derive(Default)]
struct Lines {
    header: Option<Header>,
    rest: Vec<u8>,
    line: usize,
    bytes: usize,
    rows: usize,
}

impl Lines {
    /// Takes bytes and gives the lines that are whole, with their numbers; empty ones are left out.
    fn take(&mut self, bytes: &[u8], most: usize) -> Result<Vec<(usize, Vec<u8>)>, CsvError> {
        self.bytes += bytes.len();
        if self.bytes > most {
            return Err(self.problem(CsvProblem::FileTooLarge(most)));
        }
        let mut whole = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(piece);
            if self.rest.len() > LINE + 2 {
                self.line += 1;
                return Err(self.problem(CsvProblem::LineTooLong(LINE)));
            }
            if self.rest.ends_with(b"\n") {
                whole.extend(self.end_line());
            }
        }
        Ok(whole)
    }

    fn end_line(&mut self) -> Option<(usize, Vec<u8>)> {
        let mut line = std::mem::take(&mut self.rest);
        self.line += 1;
        while line
            .last()
            .is_some_and(|byte| matches!(byte, b'\n' | b'\r'))
        {
            line.pop();
        }
        (!line.iter().all(u8::is_ascii_whitespace)).then_some((self.line, line))
    }

    fn count_row(&mut self, most: usize) -> Result<(), CsvError> {
        self.rows += 1;
        if self.rows > most {
            return Err(self.problem(CsvProblem::TooManyRows(most)));
        }
        Ok(())
    }

    fn problem(&self, problem: CsvProblem) -> CsvError {
        CsvError {
            line: self.line.max(1),
            problem,
        }
    }
}

impl Consent {
    /// Begins an import.
    ///
    /// # Errors
    /// [`ConsentError::NoReason`] or [`ConsentError::Store`].
    pub async fn begin_import(&self, by: By) -> Result<Import, ConsentError> {
        self.act(&by, "subscriber import")?;
        let batch = self.open_batch(&by).await?;
        let report = ImportReport {
            batch: batch.id.clone(),
            taken: 0,
            suppressed: 0,
            outdated: 0,
            rejected: Vec::new(),
            unnamed: 0,
        };
        Ok(Import {
            consent: self.clone(),
            by,
            batch,
            trial: false,
            people: Lines::default(),
            suppressions: Lines::default(),
            seen: HashSet::new(),
            known: HashMap::new(),
            waiting: Vec::new(),
            report,
        })
    }
}

impl Import {
    /// Takes the next bytes of the file of people. Bad rows are noted; good ones are kept, sealed.
    ///
    /// # Errors
    /// An [`ImportError`] if the file can't be taken at all; the import is then to be [cancelled](Import::cancel).
    pub async fn feed(&mut self, bytes: &[u8]) -> Result<(), ImportError> {
        let most = self.consent.live().settings.limits.import_bytes;
        for (line, text) in self.people.take(bytes, most)? {
            self.line(line, &text).await?;
        }
        Ok(())
    }

    async fn line(&mut self, line: usize, text: &[u8]) -> Result<(), ImportError> {
        let Some(header) = self.people.header.take() else {
            self.people.header = Some(read_header(line, text, REQUIRED, OPTIONAL)?);
            return Ok(());
        };
        let most = self.consent.live().settings.limits.import_rows;
        self.people.count_row(most)?;
        let judged = match header.row(line, text) {
            Ok(row) => self.judge(&row).await?.map_err(|why| why.to_string()),
            Err(error) => Err(error.problem.to_string()),
        };
        self.people.header = Some(header);
        match judged {
            Ok(good) => self.keep(good).await,
            Err(why) => {
                self.reject(line, why);
                Ok(())
            }
        }
    }

    async fn judge(
        &mut self,
        row: &Row<'_, '_>,
    ) -> Result<Result<GoodRow, RowProblem>, ImportError> {
        let known = match digest_of(row.get("wording_sha256")) {
            Some(digest) => self.known_wording(digest).await?,
            None => None,
        };
        let judged = {
            let live = self.consent.live();
            let notice = |lang| live.wordings.notice(lang).digest.to_string();
            let judge = Judge {
                settings: &live.settings,
                notices: [notice(Lang::En), notice(Lang::Cy)],
                entered_by: self.by.staff.to_string(),
                now: self.consent.clock().now(),
            };
            judge.judge(row, known.as_ref())
        };
        Ok(judged.and_then(|good| {
            let form = good.asked.address.match_form();
            let vault = self.consent.vault();
            let index = vault.index(IndexColumn::RequestAddress, form.as_bytes());
            match self.seen.insert(index) {
                true => Ok(good),
                false => Err(RowProblem::Twice),
            }
        }))
    }

    /// The consent statement of a digest, if the store keeps it.
    async fn known_wording(
        &mut self,
        digest: WordingDigest,
    ) -> Result<Option<KnownWording>, ImportError> {
        if let Some(known) = self.known.get(&digest) {
            return Ok(known.clone());
        }
        let record = self.consent.store().wording(&digest.0).await?;
        let consent = record.filter(|record| record.kind == CONSENT);
        let known = consent.map(|record| KnownWording {
            lists: record.list.unwrap_or_default(),
            language: record.language,
        });
        if self.known.len() < NAMED {
            self.known.insert(digest, known.clone());
        }
        Ok(known)
    }

    async fn keep(&mut self, good: GoodRow) -> Result<(), ImportError> {
        let now = self.consent.clock().now();
        if let Some(new) = good.wording
            && !matches!(self.known.get(&new.shown.digest), Some(Some(_)))
        {
            let known = KnownWording {
                lists: new.lists.clone(),
                language: new.language.tag().to_owned(),
            };
            self.known.insert(new.shown.digest, Some(known));
            let step = wording::put(CONSENT, Some(&new.lists), new.language, &new.shown, now);
            self.waiting.push(step);
        }
        let record = IntakeRecord::Import {
            batch: self.batch.id.clone(),
            asked: good.asked,
        };
        self.waiting
            .push(Step::PutIntake(Intake::new(HELD, record)));
        self.report.taken += 1;
        if self.waiting.len() >= ROWS {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), ImportError> {
        let steps = std::mem::take(&mut self.waiting);
        Ok(self.consent.commit(Change::new().then_all(steps)).await?)
    }

    fn reject(&mut self, line: usize, why: String) {
        if self.report.rejected.len() < NAMED {
            self.report.rejected.push(Rejected { line, why });
        } else {
            self.report.unnamed += 1;
        }
    }

    /// Ends the import. Its rows wait for a second person now.
    ///
    /// # Errors
    /// [`ImportError::NoSuppressions`] if neither a suppression file nor the statement was given, and what
    /// [`Import::feed`] answers: the import is given up then, but suppressions that came with it stay.
    pub async fn finish(mut self) -> Result<ImportReport, ImportError> {
        match self.end().await {
            Ok(()) => Ok(self.report),
            Err(error) => {
                if let Err(error) = self.cancel().await {
                    tracing::warn!(%error, "an import that was broken off is erased later");
                }
                Err(error)
            }
        }
    }

    async fn end(&mut self) -> Result<(), ImportError> {
        self.end_people().await?;
        self.end_suppressions().await?;
        if !self.batch.suppressions_given {
            return Err(ImportError::NoSuppressions);
        }
        self.flush().await?;
        self.batch.rows = self.report.taken;
        self.batch.state = ImportState::Waiting;
        let object = ActObject::new("import", &self.batch.id);
        let act = self.consent.act(&self.by, "subscriber import")?.to(object);
        self.consent
            .write_batch(&self.batch, Some(act_step(&act)?))
            .await?;
        self.consent.sign_checkpoints_quietly().await;
        Ok(())
    }

    async fn end_people(&mut self) -> Result<(), ImportError> {
        if let Some((line, text)) = self.people.end_line() {
            self.line(line, &text).await?;
        }
        if self.people.header.is_none() {
            let names = [REQUIRED, OPTIONAL].concat().join(",");
            return Err(self.people.problem(CsvProblem::NoHeader(names)).into());
        }
        Ok(())
    }

    /// Takes the rejected rows out of the report that will be given, so that all can be named, however many.
    pub fn take_rejected(&mut self) -> Vec<Rejected> {
        std::mem::take(&mut self.report.rejected)
    }

    /// From now on this is a trial: the suppression file is read and judged, and nobody is suppressed. Ends with
    /// [`Import::try_out`].
    pub fn only_try(&mut self) {
        self.trial = true;
    }

    /// Ends a trial as if it had never been begun, and says what would have been taken.
    ///
    /// # Errors
    /// As [`Import::finish`], but that nothing need be said of suppressions.
    pub async fn try_out(mut self) -> Result<ImportReport, ImportError> {
        let ended = match self.end_people().await {
            Ok(()) => self.end_suppressions().await,
            failed => failed,
        };
        let report = self.report.clone();
        self.cancel().await?;
        ended.map(|()| report)
    }

    /// Gives the import up and erases what was kept of it. Suppressions that came with it stay.
    ///
    /// # Errors
    /// [`ConsentError::Store`].
    pub async fn cancel(self) -> Result<(), ConsentError> {
        self.consent.erase_batch(&self.batch.id, None).await
    }
}

fn read_header(
    line: usize,
    text: &[u8],
    required: &[&'static str],
    optional: &[&'static str],
) -> Result<Header, ImportError> {
    let names = String::from_utf8_lossy(text);
    if names.split(',').any(tells_of_register) {
        return Err(ImportError::Register);
    }
    Header::read(text, LINE, required, optional)
        .map_err(|problem| CsvError { line, problem }.into())
}

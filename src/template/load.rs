//! Reads a party's own templates and texts, and takes only those that pass the rehearsal.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::Environment;

use super::strings::Strings;
use super::{Lang, Party, TemplateError, Templates, builtin, engine, from_engine, lint, sample};

/// The largest template that is read, in bytes.
const LARGEST: u64 = 256 * 1024;
/// How many files a template directory may hold.
const MOST_FILES: usize = 200;
/// What every refusal ends with.
const STAYS: &str = "; the built-in one stays in use";

/// A template that a party put in the place of a built-in one.
#[derive(Clone, Debug)]
pub(super) struct Override {
    name: &'static str,
    file: PathBuf,
    text: String,
}

/// The built-in templates with overrides in their places. An override that doesn't compile leaves the built-in one.
pub(super) fn environment(strings: &Arc<Strings>, overrides: &[Override]) -> Environment<'static> {
    let mut env = engine::new(strings);
    for (name, text) in builtin::TEMPLATES {
        // The tests render every built-in template, so none fails to compile.
        let _ = env.add_template(name, text);
    }
    for own in overrides {
        let _ = env.add_template_owned(own.name, own.text.clone());
    }
    env
}

impl Templates {
    /// The templates of a party, with the overrides in `dir`. Every fault is returned beside templates that can be
    /// used all the same: where an override is faulty, the built-in one stays.
    pub fn load(party: Party, dir: &Path) -> (Self, Vec<TemplateError>) {
        let mut faults = Vec::new();
        let found = find(dir, &mut faults);
        let strings = Arc::new(own_strings(&found.strings, &mut faults));
        let sound: Vec<_> = found
            .templates
            .into_iter()
            .filter(|own| match rehearse(own, &strings) {
                Ok(()) => true,
                Err(fault) => {
                    faults.push(fault);
                    false
                }
            })
            .collect();
        let spare = environment(&Arc::new(Strings::builtin()), &[]);
        (Self::assemble(party, strings, &sound, Some(spare)), faults)
    }

    /// Looks at every override in `dir`, for `config check`.
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn check(dir: &Path) -> Result<(), Vec<TemplateError>> {
        let (_, faults) = Self::load(sample::party(), dir);
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }
}

/// One override alone, with sample data: does it compile, render, and still hold what it must?
fn rehearse(own: &Override, strings: &Arc<Strings>) -> Result<(), TemplateError> {
    let refuse = |line, what: &str| TemplateError {
        file: own.file.clone(),
        line,
        what: format!("{what}{STAYS}"),
    };
    let mut scratch = engine::new(strings);
    if let Err(error) = scratch.add_template(own.name, &own.text) {
        let fault = from_engine(own.name, &error);
        return Err(refuse(fault.line, &fault.what));
    }
    let cast = std::slice::from_ref(own);
    let stage = Templates::assemble(sample::party(), Arc::clone(strings), cast, None);
    lint::rehearse(&stage, Some(own.name)).map_err(|fault| {
        let here = fault.file == Path::new(own.name);
        refuse(fault.line.filter(|_| here), &fault.what)
    })
}

/// The party's own string tables over the built-in ones, one after the other.
fn own_strings(files: &[(Lang, PathBuf, String)], faults: &mut Vec<TemplateError>) -> Strings {
    let mut strings = Strings::builtin();
    for (lang, file, text) in files {
        let mut tried = strings.clone();
        let outcome = tried.override_with(*lang, text).map_err(|found| {
            found
                .into_iter()
                .map(|fault| (Some(fault.line), fault.what))
                .collect::<Vec<_>>()
        });
        let outcome = outcome.and_then(|()| {
            let table = Arc::new(tried.clone());
            let stage = Templates::assemble(sample::party(), table, &[], None);
            lint::rehearse(&stage, None).map_err(|fault| vec![(None, fault.what)])
        });
        match outcome {
            Ok(()) => strings = tried,
            Err(found) => faults.extend(found.into_iter().map(|(line, what)| TemplateError {
                file: file.clone(),
                line,
                what: format!("{what}; the built-in texts stay in use"),
            })),
        }
    }
    strings
}

/// What a template directory holds.
#[derive(Default)]
struct Found {
    templates: Vec<Override>,
    strings: Vec<(Lang, PathBuf, String)>,
}

fn find(dir: &Path, faults: &mut Vec<TemplateError>) -> Found {
    let mut found = Found::default();
    for (name, file) in list(dir, faults) {
        let template = builtin::TEMPLATES.iter().find(|(known, _)| *known == name);
        let table = builtin::STRINGS.iter().find(|(_, known, _)| *known == name);
        if template.is_none() && table.is_none() {
            let what = "there is no template of this name, so nothing uses it".to_owned();
            faults.push(TemplateError {
                file,
                line: None,
                what,
            });
            continue;
        }
        match read(&file) {
            Err(what) => faults.push(TemplateError {
                file,
                line: None,
                what,
            }),
            Ok(text) => {
                if let Some((lang, _, _)) = table {
                    found.strings.push((*lang, file, text));
                } else if let Some((name, _)) = template {
                    found.templates.push(Override { name, file, text });
                }
            }
        }
    }
    found
}

/// The files of the directory and its folders, with their names below it, in order.
fn list(dir: &Path, faults: &mut Vec<TemplateError>) -> Vec<(String, PathBuf)> {
    let mut files = Vec::new();
    let mut folders = vec![(String::new(), dir.to_owned())];
    while let Some((prefix, folder)) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                let what = format!("the directory can't be read: {error}");
                faults.push(TemplateError {
                    file: folder,
                    line: None,
                    what,
                });
                continue;
            }
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // Editors and file managers leave these behind.
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            if entry.path().is_dir() && prefix.is_empty() {
                folders.push((format!("{name}/"), entry.path()));
            } else {
                files.push((format!("{prefix}{name}"), entry.path()));
            }
        }
    }
    files.sort();
    if files.len() > MOST_FILES {
        let what = format!("more than {MOST_FILES} files; only the first {MOST_FILES} are read");
        faults.push(TemplateError {
            file: dir.to_owned(),
            line: None,
            what,
        });
        files.truncate(MOST_FILES);
    }
    files
}

fn read(file: &Path) -> Result<String, String> {
    let failed = |error| format!("the file can't be read: {error}{STAYS}");
    let size = fs::metadata(file).map_err(failed)?.len();
    if size > LARGEST {
        return Err(format!(
            "the file is larger than {} KiB{STAYS}",
            LARGEST / 1024
        ));
    }
    fs::read_to_string(file).map_err(failed)
}

//! A real browser, driven by its keys alone. It is spoken to over two named pipes (the browser's debugging protocol), so
//! that its pages need no script: the tests turn scripts off.

#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take. The machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one page, which closes when it's dropped.
pub struct Browser {
    child: Child,
    commands: File,
    messages: Receiver<Value>,
    session: String,
    last: u64,
    /// Events that nobody has looked at yet.
    events: Vec<Value>,
    /// The address of everything that was asked for.
    pub asked: Vec<String>,
    _profile: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The browser's program, if there is one.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut programs = std::env::split_paths(&path).map(|dir| dir.join("chromium"));
    programs.find(|program| program.is_file())
}

fn pipe(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    path
}

impl Browser {
    /// Starts one; none where it isn't installed, which is an error in CI.
    pub fn start() -> Option<Self> {
        let Some(program) = program() else {
            assert!(std::env::var_os("CI").is_none(), "skipped: needs chromium");
            eprintln!("skipped: needs chromium");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let (to, from) = (pipe(profile.path(), "to"), pipe(profile.path(), "from"));
        let child = Command::new("sh")
            .args([
                "-c",
                "to=$1 from=$2; shift 2; exec \"$@\" 3<\"$to\" 4>\"$from\"",
                "sh",
            ])
            .args([&to, &from, &program])
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                // It is tiny in many containers.
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
            ])
            // Its address is an authority's of the test's own.
            .args(["--ignore-certificate-errors", "--remote-debugging-pipe"])
            .arg(format!(
                "--user-data-dir={}",
                profile.path().join("data").display()
            ))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The shell opens both in this order.
        let commands = File::options().write(true).open(to).unwrap();
        let from = File::open(from).unwrap();
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(from).split(0) {
                let Ok(bytes) = message else { return };
                let Ok(value) = serde_json::from_slice(&bytes) else {
                    return;
                };
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self {
            child,
            commands,
            messages,
            session: String::new(),
            last: 0,
            events: Vec::new(),
            asked: Vec::new(),
            _profile: profile,
        };
        browser.open_page();
        Some(browser)
    }

    fn open_page(&mut self) {
        let target = self.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = self.call("Target.attachToTarget", attach);
        self.session = session["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "DOM", "Network"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
        self.call(
            "Emulation.setScriptExecutionDisabled",
            json!({"value": true}),
        );
        self.call(
            "Emulation.setFocusEmulationEnabled",
            json!({"enabled": true}),
        );
    }

    /// Asks the browser for something and waits for its answer.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let id = self.last;
        let mut command = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        let mut bytes = serde_json::to_vec(&command).unwrap();
        bytes.push(0);
        self.commands.write_all(&bytes).unwrap();
        loop {
            let message = self.receive();
            if message["id"] == json!(id) {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    fn receive(&mut self) -> Value {
        let message = self.messages.recv_timeout(PATIENCE);
        let message = message.expect("the browser answers in time");
        if message["method"] == "Network.requestWillBeSent" {
            let url = message["params"]["request"]["url"].as_str().unwrap();
            self.asked.push(url.to_owned());
        }
        message
    }

    /// Waits until a page is loaded that was not loaded yet when `events` were last forgotten.
    fn wait_for_load(&mut self) {
        let loaded = |event: &Value| event["method"] == "Page.loadEventFired";
        let until = Instant::now() + PATIENCE;
        while !self.events.iter().any(loaded) {
            assert!(Instant::now() < until, "the page loads in time");
            let message = self.receive();
            self.events.push(message);
        }
        self.events.clear();
    }

    /// Opens an address, as a click on a mail's link does.
    pub fn go(&mut self, url: &str) {
        self.events.clear();
        self.call("Page.navigate", json!({"url": url}));
        self.wait_for_load();
    }

    fn root(&mut self) -> Value {
        self.call("DOM.getDocument", json!({"depth": 0}))["root"]["nodeId"].clone()
    }

    /// The page as HTML.
    pub fn html(&mut self) -> String {
        let root = self.root();
        let html = self.call("DOM.getOuterHTML", json!({"nodeId": root}));
        html["outerHTML"].as_str().unwrap().to_owned()
    }

    /// The attributes of what has the focus, one after the other.
    pub fn focused(&mut self) -> Vec<String> {
        let root = self.root();
        let query = json!({"nodeId": root, "selector": ":focus"});
        let node = self.call("DOM.querySelector", query)["nodeId"].clone();
        if node == json!(0) {
            return Vec::new();
        }
        let node = self.call("DOM.describeNode", json!({"nodeId": node}));
        let attributes = node["node"]["attributes"].as_array();
        let texts = attributes.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str, code: &str, number: u32, text: &str) {
        self.press_at(Timestamp::now(), key, code, number, text);
    }

    fn press_at(&mut self, at: Timestamp, key: &str, code: &str, number: u32, text: &str) {
        let at = at.as_duration().as_secs_f64();
        let mut down = json!({
            "type": "keyDown", "key": key, "code": code, "windowsVirtualKeyCode": number, "timestamp": at,
        });
        if !text.is_empty() {
            down["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", down);
        let up = json!({
            "type": "keyUp", "key": key, "code": code, "windowsVirtualKeyCode": number, "timestamp": at,
        });
        self.call("Input.dispatchKeyEvent", up);
    }

    /// Types a text, quickly: a list that is chosen from by typing forgets the letters after a second.
    pub fn type_text(&mut self, text: &str) {
        let mut at = Timestamp::now();
        for letter in text.chars() {
            let upper = letter.to_ascii_uppercase();
            let number = if upper.is_ascii_alphanumeric() || upper == ' ' {
                upper as u32
            } else {
                0
            };
            at += SignedDuration::from_millis(20);
            self.press_at(at, &letter.to_string(), "", number, &letter.to_string());
        }
    }

    /// Tabs until what has the focus carries this attribute.
    pub fn tab_to(&mut self, name: &str, value: &str) {
        for _ in 0..30 {
            let attributes = self.focused();
            if attributes.chunks(2).any(|pair| pair == [name, value]) {
                return;
            }
            self.press("Tab", "Tab", 9, "");
        }
        panic!("{name}={value} can't be reached by keyboard");
    }

    /// Space: ticks a box.
    pub fn space(&mut self) {
        self.press(" ", "Space", 32, " ");
    }

    /// Enter on a button, and the page after it.
    pub fn enter(&mut self) {
        self.events.clear();
        self.press("Enter", "Enter", 13, "\r");
        self.wait_for_load();
    }

    /// Shows pages this wide (in CSS pixels), light or dark.
    pub fn look(&mut self, width: u32, dark: bool) {
        let metrics = json!({
            "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false,
        });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let value = if dark { "dark" } else { "light" };
        let feature = json!({"name": "prefers-color-scheme", "value": value});
        self.call("Emulation.setEmulatedMedia", json!({"features": [feature]}));
    }

    /// Runs a script beside the page, where the page can't see it, and gives what its promise gives. Scripts are off again
    /// afterwards.
    pub fn evaluate(&mut self, script: &str) -> Value {
        let frame = self.call("Page.getFrameTree", json!({}))["frameTree"]["frame"]["id"].clone();
        let scripts = "Emulation.setScriptExecutionDisabled";
        self.call(scripts, json!({"value": false}));
        let world = json!({"frameId": frame, "worldName": "test"});
        let world = self.call("Page.createIsolatedWorld", world)["executionContextId"].clone();
        let evaluate = json!({
            "expression": script, "contextId": world, "awaitPromise": true, "returnByValue": true,
        });
        let answer = self.call("Runtime.evaluate", evaluate);
        self.call(scripts, json!({"value": true}));
        assert!(answer["exceptionDetails"].is_null(), "{answer}");
        answer["result"]["value"].clone()
    }

    /// How wide the page is: wider than it's shown means that it must be scrolled sideways.
    pub fn width(&mut self) -> f64 {
        let metrics = self.call("Page.getLayoutMetrics", json!({}));
        metrics["cssContentSize"]["width"].as_f64().unwrap()
    }

    /// How many cookies there are.
    pub fn cookies(&mut self) -> usize {
        let cookies = self.call("Network.getCookies", json!({}));
        cookies["cookies"].as_array().unwrap().len()
    }

    /// Writes a picture of the whole page, and its HTML, into the directory that `HUSTINGS_PREVIEW` names, to be looked at.
    pub fn picture(&mut self, name: &str) {
        let Some(directory) = std::env::var_os("HUSTINGS_PREVIEW") else {
            return;
        };
        let whole = json!({"format": "png", "captureBeyondViewport": true});
        let picture = self.call("Page.captureScreenshot", whole);
        let engine = base64::engine::general_purpose::STANDARD;
        let bytes = engine.decode(picture["data"].as_str().unwrap()).unwrap();
        let directory = Path::new(&directory);
        std::fs::write(directory.join(format!("{name}.png")), bytes).unwrap();
        std::fs::write(directory.join(format!("{name}.html")), self.html()).unwrap();
    }
}

//! A MySQL server of one test, for what no other test could bear on a shared one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use store::{Store, StoreSettings};

/// Ends with the test.
pub(crate) struct OwnServer {
    /// Where `deploy/local` keeps its data and what it knows of it.
    state: PathBuf,
    /// Of its database `quayside`.
    url: String,
}

impl OwnServer {
    /// A fresh one, with our tables.
    pub(crate) async fn start() -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::SeqCst);
        let name = format!("quayside-faults-{}-{number}", std::process::id());
        // In memory where there is such a place: it waits for every commit to be on disk.
        let memory = Path::new("/dev/shm");
        let place = memory.is_dir().then(|| memory.to_owned());
        let mut server = Self {
            state: place.unwrap_or_else(std::env::temp_dir).join(name),
            url: String::new(),
        };
        server.script("start");
        server.url = format!("{}/quayside", server.script("url"));
        store::migrate(&server.url)
            .await
            .expect("the migrations apply");
        server
    }

    /// A store on it, without connections yet.
    pub(crate) fn store(&self) -> Store {
        let url = self.url.clone();
        Store::connect(StoreSettings { url, pool_size: 2 }).expect("a pool")
    }

    /// A connection with the server's own session settings and every right.
    pub(crate) async fn root(&self) -> mysql_async::Conn {
        mysql_async::Conn::from_url(&self.url)
            .await
            .expect("the server is up")
    }

    /// Kills it, as the kernel does when memory runs out.
    pub(crate) fn kill(&self) {
        let id = std::fs::read_to_string(self.state.join("run/mysql-main.pid"));
        let id = id.expect("it runs").trim().to_owned();
        let killed = Command::new("kill").args(["-KILL", &id]).status();
        assert!(killed.expect("kill runs").success());
    }

    /// Starts it again on its data, on the same port.
    pub(crate) fn come_back(&self) {
        self.script("start");
        assert_eq!(format!("{}/quayside", self.script("url")), self.url);
    }

    fn script(&self, verb: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/local/mysql.sh");
        let done = Command::new(script)
            .args([verb, "main"])
            .env("QUAYSIDE_LOCAL", &self.state)
            .output()
            .expect("deploy/local/mysql.sh runs");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "mysql.sh {verb}: {said}");
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.script("stop");
        std::fs::remove_dir_all(&self.state).expect("its files go");
    }
}

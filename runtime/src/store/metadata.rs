//! The metadata: which workspace has which deployment, which files it uses, its sealed secrets, its `layers`.
//!
//! A deployment is one row, so a deploy is one transaction: after `kill -9` the old row or the new one is there, whole.

mod layers;

pub use layers::StoredLayer;

use super::StoreError;
use super::blobs::Hash;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

/// The tables' version, kept in SQLite's `user_version`.
const SCHEMA: i64 = STEPS.len() as i64;

/// What makes the tables of each version of those of the one before.
const STEPS: [&[&str]; 2] = [&TABLES, &layers::TABLES];

const TABLES: [&str; 3] = [
    "CREATE TABLE deployments (
        workspace TEXT PRIMARY KEY, version TEXT NOT NULL, document TEXT NOT NULL, deployed_at INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID",
    "CREATE TABLE blob_uses (
        workspace TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (workspace, hash)
     ) STRICT, WITHOUT ROWID",
    "CREATE TABLE secrets (
        workspace TEXT NOT NULL, name TEXT NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (workspace, name)
     ) STRICT, WITHOUT ROWID",
];

/// The database.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// One connection: SQLite has one writer at a time, and a queue here beats a busy error there.
    writer: SqlitePool,
    readers: SqlitePool,
}

/// A workspace's deployment as it is stored.
#[derive(Clone, Debug)]
pub struct StoredDeployment {
    pub version: String,
    /// JSON; `deployment` knows its shape.
    pub document: String,
}

/// What a deployment keeps in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Use {
    File(Hash),
    /// A folder, with all files in it.
    Tree(Hash),
}

/// See [`Metadata::uses`], too.
const TREE: &str = "tree:";

impl Use {
    fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix(TREE) {
            Some(tree) => Hash::parse(tree).map(Self::Tree),
            None => Hash::parse(text).map(Self::File),
        }
    }
}

impl std::fmt::Display for Use {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(hash) => write!(f, "{hash}"),
            Self::Tree(tree) => write!(f, "{TREE}{tree}"),
        }
    }
}

impl Metadata {
    /// Opens the database, or makes it.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A deploy is acknowledged only when it would survive a loss of power.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5));
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        let found: i64 = sqlx::query("PRAGMA user_version").fetch_one(&writer).await?.get(0);
        if found > SCHEMA {
            return Err(StoreError::TooNew { found, known: SCHEMA });
        }
        if found < SCHEMA {
            let mut transaction = writer.begin().await?;
            for table in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)).copied().flatten() {
                sqlx::query(*table).execute(&mut *transaction).await?;
            }
            sqlx::query("PRAGMA user_version = 2").execute(&mut *transaction).await?;
            transaction.commit().await?;
        }
        let readers = SqlitePoolOptions::new().max_connections(4).connect_with(options.read_only(true)).await?;
        Ok(Self { writer, readers })
    }

    /// The names of all workspaces, in order.
    pub async fn workspaces(&self) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("SELECT workspace FROM deployments ORDER BY workspace").fetch_all(&self.readers).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// The deployment that serves a workspace.
    pub async fn deployment(&self, workspace: &str) -> Result<Option<StoredDeployment>, StoreError> {
        let row = sqlx::query("SELECT version, document FROM deployments WHERE workspace = ?")
            .bind(workspace)
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.map(|row| StoredDeployment { version: row.get(0), document: row.get(1) }))
    }

    /// Puts a deployment in the place of what was there: one commit. Its files must be stored already.
    pub async fn commit(&self, workspace: &str, deployment: &StoredDeployment, uses: &[Use]) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        sqlx::query(
            "INSERT INTO deployments (workspace, version, document, deployed_at) VALUES (?1, ?2, ?3, unixepoch())
             ON CONFLICT (workspace) DO UPDATE SET version = ?2, document = ?3, deployed_at = unixepoch()",
        )
        .bind(workspace)
        .bind(&deployment.version)
        .bind(&deployment.document)
        .execute(&mut *transaction)
        .await?;
        sqlx::query("DELETE FROM blob_uses WHERE workspace = ?").bind(workspace).execute(&mut *transaction).await?;
        for used in uses {
            sqlx::query("INSERT OR IGNORE INTO blob_uses (workspace, hash) VALUES (?, ?)")
                .bind(workspace)
                .bind(used.to_string())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Changes the document of a deployment, if it still is the one that serves, and adds a file that it uses.
    pub async fn amend(
        &self,
        workspace: &str,
        version: &str,
        file: Hash,
        change: impl FnOnce(&str) -> Result<String, serde_json::Error> + Send,
    ) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        let row = sqlx::query("SELECT document FROM deployments WHERE workspace = ? AND version = ?")
            .bind(workspace)
            .bind(version)
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(row) = row else { return Ok(()) };
        let document = change(row.get(0)).map_err(StoreError::Document)?;
        sqlx::query("UPDATE deployments SET document = ? WHERE workspace = ?")
            .bind(document)
            .bind(workspace)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("INSERT OR IGNORE INTO blob_uses (workspace, hash) VALUES (?, ?)")
            .bind(workspace)
            .bind(Use::File(file).to_string())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The workspaces in whose documents a text stands.
    pub async fn mentioning(&self, text: &str) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("SELECT workspace FROM deployments WHERE instr(document, ?) > 0 ORDER BY workspace")
            .bind(text)
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Removes a workspace with all that belongs to it. Whether there was one.
    pub async fn remove(&self, workspace: &str) -> Result<bool, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let mut found = 0;
        for rows in [
            "DELETE FROM deployments WHERE workspace = ?",
            "DELETE FROM layers WHERE workspace = ?",
            "DELETE FROM layer_counters WHERE workspace = ?",
        ] {
            found += sqlx::query(rows).bind(workspace).execute(&mut *transaction).await?.rows_affected();
        }
        for rows in ["DELETE FROM blob_uses WHERE workspace = ?", "DELETE FROM secrets WHERE workspace = ?"] {
            sqlx::query(rows).bind(workspace).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(found > 0)
    }

    /// All that deployments use, and the layers that could be used.
    pub async fn uses(&self) -> Result<HashSet<Use>, StoreError> {
        let all = "SELECT hash FROM blob_uses UNION SELECT 'tree:' || tree FROM layers";
        let rows = sqlx::query(all).fetch_all(&self.readers).await?;
        Ok(rows.iter().filter_map(|row| Use::parse(row.get(0))).collect())
    }

    /// All sealed secrets of a workspace, by name.
    pub async fn secrets(&self, workspace: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let rows = sqlx::query("SELECT name, sealed FROM secrets WHERE workspace = ? ORDER BY name")
            .bind(workspace)
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Stores a sealed secret.
    pub async fn put_secret(&self, workspace: &str, name: &str, sealed: &[u8]) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO secrets VALUES (?1, ?2, ?3) ON CONFLICT (workspace, name) DO UPDATE SET sealed = ?3")
            .bind(workspace)
            .bind(name)
            .bind(sealed)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Removes a secret. Whether there was one.
    pub async fn remove_secret(&self, workspace: &str, name: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM secrets WHERE workspace = ? AND name = ?")
            .bind(workspace)
            .bind(name)
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.readers).await?;
        Ok(())
    }

    /// Writes the log back into the database and closes it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

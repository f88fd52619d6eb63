//! The layers of workspaces: which versions there are, and what is in them. A version is a row that never changes.

use super::{Metadata, StoreError};
use crate::store::blobs::Hash;
use sqlx::Row;

pub(super) const TABLES: [&str; 2] = [
    "CREATE TABLE layers (
        workspace TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, tree TEXT NOT NULL, sha256 TEXT NOT NULL,
        size INTEGER NOT NULL, files INTEGER NOT NULL, created_at INTEGER NOT NULL,
        PRIMARY KEY (workspace, name, version)
     ) STRICT, WITHOUT ROWID",
    // So that a version that was removed does not come back as another one while its layer is there.
    "CREATE TABLE layer_counters (
        workspace TEXT NOT NULL, name TEXT NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (workspace, name)
     ) STRICT, WITHOUT ROWID",
];

/// One version of a layer.
#[derive(Clone, Debug)]
pub struct StoredLayer {
    pub name: String,
    pub version: u32,
    pub tree: Hash,
    /// Of the archive as it was sent, in hexadecimal.
    pub sha256: String,
    /// Bytes when it is unpacked.
    pub size: u64,
    pub files: u64,
    /// Seconds since 1970.
    pub created_at: i64,
}

impl Metadata {
    /// All versions of all layers of a workspace, by name and version.
    pub async fn layers(&self, workspace: &str) -> Result<Vec<StoredLayer>, StoreError> {
        let rows = sqlx::query(
            "SELECT name, version, tree, sha256, size, files, created_at FROM layers WHERE workspace = ? ORDER BY name, version",
        )
        .bind(workspace)
        .fetch_all(&self.readers)
        .await?;
        let layer = |row: &sqlx::sqlite::SqliteRow| {
            let tree = Hash::parse(row.get(2));
            Some(StoredLayer {
                name: row.get(0),
                version: row.get(1),
                tree: tree?,
                sha256: row.get(3),
                size: u64::try_from(row.get::<i64, _>(4)).ok()?,
                files: u64::try_from(row.get::<i64, _>(5)).ok()?,
                created_at: row.get(6),
            })
        };
        let damaged = || StoreError::Document(serde::de::Error::custom("a layer's row is damaged"));
        rows.iter().map(layer).collect::<Option<_>>().ok_or_else(damaged)
    }

    /// Adds a version, whose folder must be stored already, under the number that follows the layer's last one. Answers it as it
    /// is stored: `version` and `created_at` of what is given mean nothing.
    pub async fn add_layer(&self, workspace: &str, layer: StoredLayer) -> Result<StoredLayer, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let counted = sqlx::query(
            "INSERT INTO layer_counters (workspace, name, last) VALUES (?, ?, 1)
             ON CONFLICT (workspace, name) DO UPDATE SET last = last + 1 RETURNING last",
        )
        .bind(workspace)
        .bind(&layer.name)
        .fetch_one(&mut *transaction)
        .await?;
        let version: u32 = counted.get(0);
        let added = sqlx::query(
            "INSERT INTO layers (workspace, name, version, tree, sha256, size, files, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, unixepoch()) RETURNING created_at",
        )
        .bind(workspace)
        .bind(&layer.name)
        .bind(version)
        .bind(layer.tree.to_string())
        .bind(&layer.sha256)
        .bind(i64::try_from(layer.size).unwrap_or(i64::MAX))
        .bind(i64::try_from(layer.files).unwrap_or(i64::MAX))
        .fetch_one(&mut *transaction)
        .await?;
        let created_at = added.get(0);
        transaction.commit().await?;
        Ok(StoredLayer { version, created_at, ..layer })
    }

    /// Removes a version, and with the last one the layer.
    pub async fn remove_layer(&self, workspace: &str, name: &str, version: u32) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        sqlx::query("DELETE FROM layers WHERE workspace = ? AND name = ? AND version = ?")
            .bind(workspace)
            .bind(name)
            .bind(version)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "DELETE FROM layer_counters WHERE workspace = ?1 AND name = ?2
             AND NOT EXISTS (SELECT 1 FROM layers WHERE workspace = ?1 AND name = ?2)",
        )
        .bind(workspace)
        .bind(name)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_of_the_version_before_gets_its_tables() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("thimble.db");
        let metadata = Metadata::open(&path).await.expect("a new database");
        for step in ["DROP TABLE layers", "DROP TABLE layer_counters", "PRAGMA user_version = 1"] {
            sqlx::query(step).execute(&metadata.writer).await.expect("as the version before had it");
        }
        metadata.close().await;
        for _ in 0..2 {
            let metadata = Metadata::open(&path).await.expect("a database of the version before");
            assert!(metadata.layers("w").await.expect("its table").is_empty());
            metadata.close().await;
        }
    }
}

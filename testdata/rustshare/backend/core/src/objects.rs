//! The object store: where the bytes of files are. A local directory
//! (`file:///…`) or a bucket of an S3-compatible server (`s3://…`, see [`crate::s3`]).

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetResult, ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// Parts of one upload on their way at the same time.
const PARTS_IN_FLIGHT: usize = 4;

/// The object that says: this is the store of a RustShare.
const MARKER: &str = "rustshare-store";

#[derive(Clone)]
pub struct Objects {
    backend: Arc<dyn ObjectStore>,
}

impl Objects {
    /// Opens the store and makes what is missing (directory or bucket). Writing
    /// the marker proves that it takes writes.
    pub async fn open(url: &str) -> Result<Self> {
        let backend: Arc<dyn ObjectStore> = if let Some(dir) = url.strip_prefix("file://") {
            std::fs::create_dir_all(dir)
                .map_err(|err| Error::Invalid(format!("cannot create {dir}: {err}")))?;
            Arc::new(LocalFileSystem::new_with_prefix(dir)?)
        } else {
            open_s3(url).await?
        };
        backend
            .put(&Path::from(MARKER), PutPayload::from_static(b"rustshare\n"))
            .await?;
        Ok(Self { backend })
    }

    /// Answers whether the store is there: an empty directory in its place is
    /// not, so it is the marker that counts.
    pub async fn ping(&self) -> Result<()> {
        self.backend.head(&Path::from(MARKER)).await?;
        Ok(())
    }

    /// Begins an upload of at most `limit` bytes. Nothing is visible under the
    /// id before [`Upload::finish`].
    pub async fn upload(&self, file_id: impl Display, limit: u64) -> Result<Upload> {
        let parts = self.backend.put_multipart(&key(file_id)).await?;
        Ok(Upload {
            parts: WriteMultipart::new(parts),
            hash: Sha256::new(),
            size: 0,
            limit,
        })
    }

    pub async fn get(&self, file_id: impl Display) -> Result<GetResult> {
        match self.backend.get(&key(file_id)).await {
            Err(object_store::Error::NotFound { .. }) => Err(Error::NotFound("file")),
            other => Ok(other?),
        }
    }

    /// The size of an object in bytes, or `None` when it is not there.
    pub async fn size(&self, file_id: impl Display) -> Result<Option<u64>> {
        match self.backend.head(&key(file_id)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            other => Ok(Some(other?.size)),
        }
    }

    /// Removes an object. One that is gone already is no error.
    pub async fn delete(&self, file_id: impl Display) -> Result<()> {
        match self.backend.delete(&key(file_id)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            other => Ok(other?),
        }
    }
}

/// An upload under way: bytes are handed on as they come, never all in memory.
pub struct Upload {
    parts: WriteMultipart,
    hash: Sha256,
    size: u64,
    limit: u64,
}

/// What is known of an object when all of it is there.
pub struct Uploaded {
    pub size: u64,
    pub sha256: String,
}

impl Upload {
    pub async fn write(&mut self, chunk: Bytes) -> Result<()> {
        self.size += chunk.len() as u64;
        if self.size > self.limit {
            return Err(Error::TooLarge { limit: self.limit });
        }
        self.hash.update(&chunk);
        self.parts.wait_for_capacity(PARTS_IN_FLIGHT).await?;
        self.parts.put(chunk);
        Ok(())
    }

    pub async fn finish(self) -> Result<Uploaded> {
        self.parts.finish().await?;
        Ok(Uploaded {
            size: self.size,
            sha256: hex::encode(self.hash.finalize()),
        })
    }

    pub async fn abort(self) {
        if let Err(err) = self.parts.abort().await {
            tracing::warn!(%err, "an aborted upload left parts behind");
        }
    }
}

fn key(file_id: impl Display) -> Path {
    Path::from(format!("files/{file_id}"))
}

#[cfg(feature = "s3")]
use crate::s3::open as open_s3;

#[cfg(not(feature = "s3"))]
async fn open_s3(_url: &str) -> Result<Arc<dyn ObjectStore>> {
    Err(Error::Invalid(
        "built without S3 support: OBJECT_STORE_URL must begin with file:///".into(),
    ))
}

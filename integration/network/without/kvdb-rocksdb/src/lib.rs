//! Takes the place of RocksDB, whose C++ would be a good part of the build. The nodes here are started
//! with `--database paritydb`; whoever asks for RocksDB gets an error when it is opened.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};

use kvdb::{DBKeyValue, DBTransaction, DBValue, KeyValueDB};

/// What the node sets before it opens a database.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct DatabaseConfig {
    /// Files open at the same time.
    pub max_open_files: i32,
    /// Mebibytes for each column.
    pub memory_budget: HashMap<u32, usize>,
    /// Columns.
    pub columns: u32,
    /// Whether statistics are kept.
    pub enable_statistics: bool,
    /// The folder of a copy that only reads.
    pub secondary: Option<PathBuf>,
    /// Bytes of logs.
    pub max_total_wal_size: Option<u64>,
    /// Whether a database that is not there is made.
    pub create_if_missing: bool,
}

impl DatabaseConfig {
    /// Defaults for so many columns.
    pub fn with_columns(columns: u32) -> Self {
        Self {
            columns,
            create_if_missing: true,
            ..Self::default()
        }
    }
}

/// A database, of which there is none.
pub struct Database(Infallible);

impl Database {
    /// Fails: there is no RocksDB.
    pub fn open<P: AsRef<Path>>(_: &DatabaseConfig, path: P) -> io::Result<Self> {
        let path = path.as_ref().display();
        let text =
            format!("{path}: built without RocksDB; start the node with `--database paritydb`");
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }

    /// A new transaction.
    pub fn transaction(&self) -> DBTransaction {
        match self.0 {}
    }

    /// Writes a transaction.
    pub fn write(&self, _: DBTransaction) -> io::Result<()> {
        match self.0 {}
    }

    /// The value of a key.
    pub fn get(&self, _: u32, _: &[u8]) -> io::Result<Option<DBValue>> {
        match self.0 {}
    }

    /// The first value whose key begins so.
    pub fn get_by_prefix(&self, _: u32, _: &[u8]) -> io::Result<Option<DBValue>> {
        match self.0 {}
    }

    /// All values of a column.
    pub fn iter<'a>(&'a self, _: u32) -> Box<dyn Iterator<Item = io::Result<DBKeyValue>> + 'a> {
        match self.0 {}
    }

    /// How many columns there are.
    pub fn num_columns(&self) -> u32 {
        match self.0 {}
    }

    /// How many keys a column has.
    pub fn num_keys(&self, _: u32) -> io::Result<u64> {
        match self.0 {}
    }

    /// Removes the last column.
    pub fn remove_last_column(&mut self) -> io::Result<()> {
        match self.0 {}
    }

    /// Adds a column.
    pub fn add_column(&mut self) -> io::Result<()> {
        match self.0 {}
    }

    /// Compacts a column.
    pub fn force_compact(&self, _: u32) -> io::Result<()> {
        match self.0 {}
    }
}

impl KeyValueDB for Database {
    fn get(&self, _: u32, _: &[u8]) -> io::Result<Option<DBValue>> {
        match self.0 {}
    }

    fn get_by_prefix(&self, _: u32, _: &[u8]) -> io::Result<Option<DBValue>> {
        match self.0 {}
    }

    fn write(&self, _: DBTransaction) -> io::Result<()> {
        match self.0 {}
    }

    fn iter<'a>(&'a self, _: u32) -> Box<dyn Iterator<Item = io::Result<DBKeyValue>> + 'a> {
        match self.0 {}
    }

    fn iter_with_prefix<'a>(
        &'a self,
        _: u32,
        _: &'a [u8],
    ) -> Box<dyn Iterator<Item = io::Result<DBKeyValue>> + 'a> {
        match self.0 {}
    }
}

/** The id of this package's files in a SQLite header, where `file` and other tools look for it: "Cmt1" in ASCII. */
export const APPLICATION_ID = 0x43_6d_74_31;

/** The version of the tables below. A file of a newer version is refused; see `README.md` before a change. */
export const SCHEMA_VERSION = 2;

const wholeNumber = (name: string): string => `CHECK (${name} BETWEEN 0 AND ${Number.MAX_SAFE_INTEGER})`;

/**
 * The tables of a broker.
 *
 * - `state`: one row. `seq` and `signal` are the last numbers that were given to a message and to a signal of any process; they never go
 *   back, also if rows are deleted. `at` is the latest time of the broker's clock. `era` is a part of every epoch. `uid`, `file` and
 *   `boot` show whether the file has lost messages: `find-loss.ts`.
 * - `topic`: a row for each epoch of a topic. `former` is 0 in the current one, and its id in one that is over, whose messages are kept
 *   for a moment so that every process can still notify of them. `total` counts the bytes of all messages ever, `gone` those of the
 *   trimmed ones, and `since` is the time of the oldest held message, or an earlier one. `due` is the time of the next sweep.
 * - `message`: `before` counts the bytes of all messages of the topic before this one.
 * - `seen`: recent message ids. `life` is the topic row in which the ids began.
 *
 * The checks keep numbers within what JavaScript can read, whatever another program writes.
 */
export const TABLES: string = `
CREATE TABLE state (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  uid TEXT NOT NULL,
  era TEXT NOT NULL,
  seq INTEGER NOT NULL ${wholeNumber("seq")},
  signal INTEGER NOT NULL ${wholeNumber("signal")},
  at INTEGER NOT NULL ${wholeNumber("at")},
  file TEXT NOT NULL,
  boot TEXT
) STRICT;
CREATE TABLE topic (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  former INTEGER NOT NULL,
  life INTEGER,
  epoch TEXT NOT NULL,
  head INTEGER NOT NULL ${wholeNumber("head")},
  floor INTEGER NOT NULL ${wholeNumber("floor")},
  total INTEGER NOT NULL ${wholeNumber("total")},
  gone INTEGER NOT NULL ${wholeNumber("gone")},
  since INTEGER NOT NULL ${wholeNumber("since")},
  used INTEGER NOT NULL ${wholeNumber("used")},
  age INTEGER ${wholeNumber("age")},
  due INTEGER NOT NULL ${wholeNumber("due")},
  ttl INTEGER ${wholeNumber("ttl")},
  ended INTEGER ${wholeNumber("ended")},
  fence TEXT,
  lease INTEGER ${wholeNumber("lease")},
  sent INTEGER NOT NULL ${wholeNumber("sent")}
) STRICT;
CREATE UNIQUE INDEX topic_name ON topic (name, former);
CREATE INDEX topic_due ON topic (due);
CREATE TABLE message (
  seq INTEGER PRIMARY KEY ${wholeNumber("seq")},
  topic INTEGER NOT NULL,
  number INTEGER NOT NULL ${wholeNumber("number")},
  at INTEGER NOT NULL ${wholeNumber("at")},
  before INTEGER NOT NULL ${wholeNumber("before")},
  fields TEXT,
  json TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX message_number ON message (topic, number);
CREATE TABLE seen (
  life INTEGER NOT NULL,
  mid TEXT NOT NULL,
  epoch TEXT NOT NULL,
  number INTEGER NOT NULL ${wholeNumber("number")},
  until INTEGER NOT NULL ${wholeNumber("until")},
  PRIMARY KEY (life, mid)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_until ON seen (until);
CREATE TABLE signal (
  id INTEGER PRIMARY KEY ${wholeNumber("id")},
  at INTEGER NOT NULL ${wholeNumber("at")},
  text TEXT NOT NULL
) STRICT;
`;

/** The tables of a file, with the marks by which it is recognized. */
export const SCHEMA: string = `${TABLES}
PRAGMA application_id = ${APPLICATION_ID};
PRAGMA user_version = ${SCHEMA_VERSION};
`;

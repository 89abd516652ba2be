"""The journal's schema, step by step: what leads from any older version to today's."""

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE event (
        seq INTEGER PRIMARY KEY,
        injection TEXT NOT NULL,
        kind TEXT NOT NULL,
        at_s REAL NOT NULL,
        body BLOB NOT NULL
    );
    CREATE INDEX event_of_injection ON event (injection, seq);
    CREATE INDEX event_of_kind ON event (kind, at_s) WHERE kind != 'observed';
    CREATE TABLE note (name TEXT PRIMARY KEY, body BLOB NOT NULL);
    """,
    "ALTER TABLE event ADD COLUMN crc INTEGER",
)

"""Every limit of the product in one place. A limit has a policy (what happens beyond it) and a counter where it bites.

Units stand last in the name. Nothing here is read from the environment: what an operator may change is in `settings`.
"""

from __future__ import annotations

# --- MQTT contract (docs/mqtt.md) ---
MESSAGE_BYTES = 256 * 1024
"""A larger message is refused (`too-large`) and quarantined with its first `QUARANTINE_BYTES` bytes."""
FRAME_BYTES = 16 * 1024
"""One frame of a terminal on TCP: a state has some 300 bytes, and 2,000 terminals may each hold one that never ends. Beyond it the
connection ends, counted."""
ADAPT_FILE_BYTES = 64 * 1024 * 1024
"""A foreign file that `hoistway adapt` reads at once; a larger one is refused, to be cut at a line."""
RECORDS_PER_MESSAGE = 1_000
"""An array with more records is refused whole (`too-many-records`)."""
SHARDS = 64
BOOT_MAX = 2**31 - 1
SEQ_MAX = 2**53 - 1
TS_MIN_MS = 0
TS_MAX_MS = 4_102_444_800_000
"""2100-01-01 UTC. A `ts` outside 0..this is impossible and refuses the record's message."""
HEARTBEAT_S = 30
"""A device that has nothing to say sends a sample this often."""
SAMPLES_A_MINUTE = 120
"""Samples of one lift within a minute of its own clock; more is a finding of `hoistway devices check`, never refused."""
SELF_TEST_S = 72 * 3_600
"""The automatic test call comes at least this often (EN 81-28)."""
MAX_GAP_MS = 3 * HEARTBEAT_S * 1_000
"""A value stays valid this long after its sample (three heartbeats)."""
OFFLINE_AFTER_MS = 180_000
"""A lift that nobody heard from for this long is offline (EN 50136-1 SP4 class: 180 s)."""
ACK_MISSING_RANGES = 16
"""Holes named in one `ack`; more are named in later ones."""
ACK_SAMPLES_EVERY_S = 600
ACK_DRAINING_EVERY_S = 30
EVENT_HOLES = 4_096
"""Records kept above the first hole of a stream, per device and boot; beyond it the hole is given up, counted as a gap."""
CLOCK_STEP_MS = 5_000
"""A device clock that moves by more than this against the server was set, and does not only drift."""
CLOCK_STRETCH_MS = 120_000
"""The smallest difference of such a stretch of live records is compared with a clock's offset, to follow one that loses time."""
CLOCK_SLOW_MS = 1_000
"""Less is the network's."""
CLOCK_GRADUAL_MS = 60_000
"""More within one stretch is a delay that came at once, and is a clock only when it lasts for `CLOCK_STRETCHES`."""
CLOCK_STRETCHES = 5
CLOCK_FROZEN_MS = 10_000
"""The same stamp for longer, while the numbers go on, is a clock that stands still: the receive time counts."""
CLOCK_JUMP_MS = 3_600_000
"""A stamp that leaps so far between two of the first records is a clock being set, and no backlog."""
SERVER_STEP_REST_MS = 45_000
"""After the server's own clock was set forward no hold completes by time alone for so long (a heartbeat and a half)."""
GONE_RANGES = 256
"""Ranges in one `gone`; a link message with more is refused."""
BOOTS_REMEMBERED = 12
BOOTS_REMEMBERED_MS = 30 * 86_400_000
"""Boots per device of which it is known what was accepted; so many days longer than the last record of one at most. Beyond either the boot
heard of longest ago is forgotten, never the one of the last `link`. Rings hold days of samples and weeks of events."""
BOOTS_AT_HAND = 4
"""Of them, so many are ready to use; the others are packed."""
RELEARNED_EVENTS = 100_000
"""Stored events of a forgotten boot that are read again, newest first, when one of its events turns out to be stored already."""
CAPPED_STAMPS = 32
"""Wild stamps of a stream that are remembered, so that the same record sent again is known; the oldest is forgotten first."""

# --- ingest ---
QUEUE_MESSAGES = 200_000
QUEUE_BYTES = 256 * 1024 * 1024
"""Beyond either the reader pauses: the broker keeps what is not yet acknowledged."""
BATCH_SAMPLES = 20_000
BATCH_BYTES = 16 * 1024 * 1024
BATCH_MIN_WAIT_MS = 8
BATCH_WORK_S = 0.5
BATCH_LEAST_BYTES = 128 * 1024
"""A batch holds no more than was last done in that time, so that an event never waits long for samples; and no less than this."""
TICK_MS = 1_000
TICK_SETTLE_MS = 500
"""A tick looks this far behind the clock, so that samples under way are not overtaken."""
TICK_PUT_OFF_MS = 3_000
"""While events wait a tick is put off, at most for so long: what it commits must not stand before them on a slow disk."""
CHECKPOINT_EVERY_S = 30
BROKER_INFLIGHT = 20_000
REPEATED_EVENTS = 1_000
REPEATED_SAMPLES = 64
"""Records of a batch, sent again, that are compared with what was accepted under their numbers; the rest is only counted."""
CLONE_WITHIN_MS = 10 * 60 * 1_000
CLONE_TAKEOVERS = 5
CLONE_BOOTS = 3
"""So many taken-over connections, or boots that come back or count anew, of one device within that time are two devices with one key."""
DOOR_DEVICES = 10_000
"""Devices of which the door remembers connections and boots; the oldest is forgotten."""
QUARANTINE_BYTES = 64 * 1024
QUARANTINE_ROWS = 1_000_000
GARBAGE_WINDOW_MS = 10_000
CAREFUL_MESSAGES = 2_000
CAREFUL_BYTES = 2 * 1024 * 1024
"""Of one device and class in one window, messages that cannot be read at the first go and are read field by field. 200 a second: a
gateway of 1,000 lifts with a bad field in every sample stays below. Beyond either they are cut and counted."""
QUARANTINE_DEVICE_MESSAGES = 200
QUARANTINE_DEVICE_BYTES = 1024 * 1024
"""Of one device and class in one window, refused messages that are kept. Beyond either they are cut and counted."""
UNKNOWN_DEVICE_MS = 1_000
"""The register is not read again sooner for a name that it did not hold."""
REPLAYS_AT_ONCE = 50
REPLAY_MOST_S = 0.3
"""Quarantined messages taken in again in one round of housekeeping (every two seconds), and how long that may take before the rest waits
for the next round: live data comes first."""
QUARANTINE_DEVICE_ROWS = 20_000
"""Of one device, so that its garbage pushes out nobody else's. Once an hour the oldest beyond either are deleted and counted."""
QUARANTINE_TRIM_ROWS = 5_000
"""Deleted at once; the rest two seconds later, so that live data never waits long."""

EVENTS_APART_MESSAGES = 2_000
EVENTS_APART_BYTES = 1024 * 1024
"""Messages with samples in a batch that holds events: an alarm waits for no more of them than the batch already on its way."""
OVERLOAD_UNACKNOWLEDGED = BROKER_INFLIGHT * 3 // 4
OVERLOAD_BYTES = QUEUE_BYTES // 2
OVERLOAD_AGE_MS = 5_000
"""Of samples: so many messages read and not yet acknowledged (at `BROKER_INFLIGHT` the broker gives no more, and keeps the rest), so many
bytes waiting, or the oldest waiting for so long (the longest that an alarm may take). Any of them for `OVERLOAD_AFTER_MS` is overload."""
OVERLOAD_AFTER_MS = 3_000
"""The in-flight window full for more than two seconds is worth an alarm; a second more, so that no hiccup is."""
OVERLOAD_CALM_PARTS = 4
OVERLOAD_CALM_MS = 30_000
"""All three below a quarter of that for a heartbeat: the overload is over. Sooner, and devices that speak up again would bring it back."""
COALESCE_WITHIN_MS = HEARTBEAT_S * 1_000
"""During overload a sample that says what the last stored one said is shed for so long after it: as if only heartbeats came. A third of
`MAX_GAP_MS`, so that two lost heartbeats are still no gap."""
SLOW_S = HEARTBEAT_S
"""What `ack` asks of devices during overload: heartbeats, and changes at once."""
OVERLOADS_KEPT = 1_000
"""Overloads remembered in the store; the oldest are forgotten."""
SLOW_ACKS = 200
"""Acks in a batch that only begin or end this asking; the others come with later batches."""

LATE_WINDOW_MS = 15 * 60 * 1_000
"""A record this much older than the newest of its lift is still folded in its place; older ones by the job from the store."""
REFOLD_LIFTS = 2_000
"""Lifts folded again in one tick; the others wait for the next one."""
BACKFILL_LIFTS = 50
BACKFILL_QUIET_S = 10
"""The job that reads the store waits until nothing old has come from a lift for so long."""
BACKFILL_MARGIN_MS = 30 * 60 * 1_000
"""It folds this much before and after what came late."""
BACKFILL_MOST_MS = 24 * 3_600_000
"""And at most this much of one lift at once; the rest waits for its next turn."""
LATE_LOG_RECORDS = 4_000_000
"""Records kept in memory to fold again (a sample has 107 bytes of columns); beyond it the window grows shorter, and a gauge says so."""

# --- the door ---
CERTIFICATE_DAYS = 730
"""A device's certificate, unless said otherwise. Our choice: every lift is checked at least once a year (TSG T7001), so one visit may be missed."""
CERTIFICATE_DAYS_MOST = 3_650
AUTHORITY_DAYS = 7_300
"""The authority of device certificates: about as long as a terminal hangs in its cabinet."""
CERTIFICATE_EXPIRING_DAYS = 30
"""A certificate that ends within this time is told of. Maintenance is due every 15 days (TSG T5002): two visits."""
SECURITY_TRIM_ROWS = 5_000
"""Security events deleted at once when their time is over; the rest an hour later."""

# --- storage ---
BLOCK_LIFTS = 64
"""Lifts in one block of the open hour. Stored blocks carry it in their bucket: it is never changed."""
MOVE_SAMPLES = 40_000
"""Rows that wait are moved into blocks when there are so many."""
MOVE_EVERY_S = 30
"""Or when the oldest has waited for so long."""
MOVE_BATCHES = 20_000
"""Batches moved at once."""
MERGE_SAMPLES = 200_000
"""Samples of blocks that become chunks in one transaction, about."""
HOUR_GRACE_S = 60
"""An hour is closed so long after it; what still comes of it goes into the next one."""
SWEEP_GRACE_S = 600
"""An hour's partition of the log is emptied at the earliest so long after its end."""
COMPACTOR_WAITS_S = 60
"""While ingest is behind, the compactor moves once in this time and no more."""
INGEST_BEHIND_S = 1.0
"""Ingest is behind when the oldest sample of its newest batch had waited for so long."""
COMPACTOR_LAG_S = 900
"""With rows that have waited for longer, `hoistway health compactor` is not well."""
HOURS_AHEAD = 6
"""Hourly partitions of table `sample` that are made in advance."""
RETENTION_ROWS = 5_000
"""Rows of events, batches and the like deleted in one transaction."""
REPEATS_WAITING = 1_000
"""Repeated samples that wait to be compared with what was accepted under their numbers; the rest is only counted."""

# --- fleet and rules ---
FLEET = 1_000_000
RULES = 500
RULE_LEVELS = 4
RULE_LIST = 32
"""Ids or codes in one list of a rule."""
FLOOR_LABELS = 30_000
EXPRESSION_CHARS = 2_000
EXPRESSION_DEPTH = 40

# --- API ---
PAGE_ROWS = 500
BODY_BYTES = 1_048_576
STREAM_CLIENTS = 2_000
STREAMS_EACH = 40
"""Streams of one person or key; beyond it 429, so that one reader cannot keep the desk out."""
STREAM_TICK_MS = 100
STREAM_BUFFER_FRAMES = 256
"""A reader that is this many ticks behind is dropped; it comes back with what it missed or a fresh snapshot."""
STREAM_POLL_MS = 200
STREAM_HEARTBEAT_S = 2
FOLLOW_TICK_MS = 250
CHANGE_HOURS = 24
"""The feed of changes is kept this long; a reader away for longer gets a snapshot."""
READY_DATA_AGE_S = 120
"""With devices enrolled, older data makes the api not ready."""
COMMENT_CHARS = 2_000
BACKTESTS_WAITING = 20
"""Backtests that wait or run; a further one is refused with 429."""
HISTORY_POINTS = 20_000
SESSION_HOURS = 12
SHIFT_GRACE_MINUTES = 30
"""A session ends so long after its person's shift: a handover may run over."""
SHIFT_HOURS = 12
"""Of somebody who takes the desk over without a planned shift; as long as a session."""
SHIFTS_AHEAD = 500
"""Shifts of a list."""
HANDOVER_ROWS = 200
"""Lines of each part of a sheet; what is beyond is counted."""
NOTES_CHARS = 4_000
LOGIN_STEP_MINUTES = 5
LOGIN_LINK_MINUTES = 30
LOGIN_FAILURES = 8
"""Failed passwords of one name within 15 minutes before further tries are answered 429."""

# --- the desk ---
SHELVE_HOURS = 24
"""A shelved alarm comes back after this long at the latest; a person may shelve it again."""
CHATTERING_S = 600
"""Three raises of one lift and rule within this time are chattering; so long without a transition and it is over."""
STALE_HOURS = 24
"""An alarm that is active for longer is stale (ISA-18.2)."""
INCIDENT_LIFTS = 500
"""Lifts listed in the document of an area incident; the rest is counted."""
FIGURES_DAYS = 92
"""The longest window of the desk's figures."""

# --- dispatch ---
DISPATCH_ROUND_CASES = 200
"""Timers, or waiting cases, in one transaction of dispatch; the others follow at once in the next."""
RELIEF_CASES = 1_000
"""Waiting cases that one look at the free stations considers, the most urgent first."""
UNITS_IMPORT_ROWS = 20_000
SEAL_EVERY_S = 600
"""The log of cases is sealed this often; what is younger is the unsealed tail, a metric."""
SEAL_CASES = 5_000
"""Cases in one seal; the others follow at once in the next."""

# --- city link ---
CITY_ROUND_RECORDS = 200
"""Records of one platform taken in one round, one a lift; the others follow at once in the next."""
CITY_LATE_S = 300
"""A record that waits for longer is late, and `/health` says so: the window within which a platform's list is matched with ours."""
CITY_LIST_ROWS = 200_000
"""Lines of a platform's list of a day; a longer file is refused."""
CITY_DIFFERENCES = 10_000
"""Differences kept of one reconciliation; the rest is counted."""
CITY_ANSWER_BYTES = 64 * 1024
"""Read of one answer of a platform; what follows is not looked at."""
CITY_TRIM_ROWS = 5_000
"""Settled records deleted at once when their time is over; the rest an hour later."""
# --- tickets ---
TICKET_ROUND = 100
"""Timers of tickets, or maintenance orders that ended, in one transaction of dispatch; the others follow at once in the next."""
PHOTO_BYTES = 8 * 1024 * 1024
"""Of one photo as it comes; a telephone's has 3 to 6 MB."""
PHOTO_BODY_BYTES = PHOTO_BYTES + 64 * 1024
"""Of the request that brings it, with the rest of its form."""
PHOTO_PIXELS = 50_000_000
"""Of one photo: more than that is no telephone's, and a bomb for whoever decodes it."""
PHOTOS_A_TICKET = 20
PARTS_A_TICKET = 50
PART_CHARS = 200
MAINTENANCE_FIRM_HOURS = 24
"""The longest maintenance order that a firm makes for itself: a visit, not a holiday from tickets."""
MAINTENANCE_DAYS = 15
"""The longest that the desk makes. Regular visits are at most so far apart (TSG T5002-2017); a longer work is another order."""
MAINTENANCE_AHEAD_DAYS = 180
# --- intake ---
SEARCH_CANDIDATES = 500
"""Lifts that hold a fragment and are put in order; of a fragment that more lifts hold, the others are not looked at."""
SEARCH_LIFTS = 20
"""Lifts in one answer of the search."""
SEARCH_CHARS = 100
ADDRESS_CHARS = 300
CALLER_NAME_CHARS = 100
CALLER_PHONE_CHARS = 40
COMPLAINT_ROUND_TIMERS = 200
"""Timers of complaints in one round; the others follow in the next."""
CALLERS_ERASED_ROWS = 500
"""Callers erased in one round; the others follow in the next."""
# --- notifications ---
NOTIFY_ROUND_ROWS = 200
"""Rows of the outbox planned in one transaction; the others follow at once in the next."""
NOTIFY_NOTED_ROWS = 50
"""Of those that reached nobody, so many are said on their cases in one round; the others in the next, a quarter of a second later."""
NOTIFY_JOIN_S = 30
"""Of one topic and addressee the second within this time is said with the next message; an order is always said for itself."""
SAID_CHARS = 300
"""Of what a receiver said so much is kept."""
NOTIFY_LINK_MINUTES = 120
"""A one-time link in a message is good for so long; longer than any limit of a rescue."""
LINK_TRIES_A_MINUTE = 30
LINK_TRIES_ADDRESSES = 10_000
"""Links from one address that nobody gave out, and addresses remembered; beyond the first 429. A token has 128 random bits."""
WEBHOOK_ENDPOINTS = 20
"""Of one firm, or of the city."""
WEBHOOK_OLD_SECRET_HOURS = 24
"""After a change the old secret signs as well for so long."""
DRILL_MINUTES = 60
"""Within this time a contact confirms; settable for each drill."""
COMMANDS_AT_ONCE = 200
"""Commands to terminals that ingest publishes in one round of a second."""
# --- the firm's side ---
FIRM_KEYS = 20
"""Keys of one firm that work at once; whoever wants more revokes one."""
FIRM_PAGE_ROWS = 50
"""Rows of one page of a firm's lifts, and orders that it sees as ended."""
FIRM_LIVE_ORDERS = 200
"""Orders on a firm's list that are somebody's work; when there are more, the page says so."""
FIRM_REFRESH_S = 15
"""A page of the firm's side loads itself again so often, so that a new order is seen without a script."""

# --- registry ---
IMPORT_ROWS = 1_000_000
IMPORT_FIELD_CHARS = 500

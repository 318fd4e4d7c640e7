// Package journal is the format of the outbox's journals, and reads and appends to them.
//
// A pending file has a journal next to its staged bytes, in a file or in a slot. One line is
// appended for each step that a later process has to know. A line is the CRC-32 of the rest, a
// space, and a [Record] in JSON. Nothing is rewritten in place, but for [Unsealed]. A step counts
// once its line is written: before a program's write returns, and after S3 has answered.
// Renames of objects have a journal each, and removals share one.
//
// A line is written by one write(2). So if the process ends at any instant, the line is there
// whole or cut short, and a last line that was cut short is ignored. Any other defect is
// [ErrDamaged], for which the outbox puts the journal in quarantine, or [ErrNewer]. Lines
// outlive a power loss once the file was synced; Record.Boot shows what was not.
//
// [Scan] and [Read] return records. What they mean for an item is up to the outbox, which
// replays them. A [Recycler] reuses the files of journals that have ended.
package journal

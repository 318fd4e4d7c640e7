// Package stage keeps the content of pending files until S3 has it.
//
// A [Stage] is the content of one file: the bytes that programs wrote, in a sparse [File], over
// the version that they changed, its [Base]. It knows which ranges are staged and reads the
// others from the base. [Stage.Materialize] copies them here, so that the base is not needed
// any more. A small new file lies in a [Slot] of the slot file, with its journal. When it grows,
// the stage asks its [Owner] to move it to a file of its own.
//
// The life of a byte: WriteAt reserves space for it, writes it to the file, adds it to the
// dirty ranges, and to the CRC of its unit if the file is written in order. Body reads it for
// a request to S3, which checks that CRC. The seqs that Changes and ChangedSince return tell
// whether a part that was sent has been changed since.
//
// A stage knows nothing of keys and requests. What the outbox journals of it is a [Snapshot],
// from which [Restore] makes a stage again.
package stage

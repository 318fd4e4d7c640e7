// Package delivery makes several objects of an exchange one delivery: the other party sees all
// of them announced at once, or none.
//
// [Send] puts files by package transfer and then, once S3 holds each of them, a [Manifest] that
// lists them with their sizes, checksums and ETags. The receiver finds manifests by [List],
// reads one by [Read], compares it with what S3 holds by [Verify], and answers with a [Receipt],
// by [Acknowledge]. Both are JSON objects that any S3 tool can make and read; docs/deliveries.md
// is their specification.
//
// A party puts into its own folder alone, whatever the policy grants: manifests go into the
// sender's folder, and receipts into the receiver's (see [Route]). No manifest and no receipt is
// ever replaced: each is put on the condition that its key is free.
//
// What the other party has written is input that nobody vouches for. [Parse] bounds it, and
// refuses paths that lead out of the sender's folder.
package delivery

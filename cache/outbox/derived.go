package outbox

import (
	"maps"
	"slices"
	"strings"

	"github.com/s3share/s3share/s3backend"
)

// Metadata that tools add to describe an object's bytes is wrong once the bytes
// change: a reader would unpack what is not packed, compare with another's sum, or
// decrypt what is plain. So it is dropped by whatever changes the bytes, and kept by
// what does not: a rename, a new time, a new mode. All else that the other party gave the
// object stays. This file is the one list.

// derivedKeys are such user metadata keys, in lower case.
var derivedKeys = []string{
	// Amazon S3 Encryption Client: envelopes of its versions 1 to 4.
	// Source: its MetadataKeyConstants; AWS SDK for Java 1, package com.amazonaws.services.s3,
	// "client-side encryption meta information".
	"x-amz-key", "x-amz-key-v2", "x-amz-iv", "x-amz-matdesc",
	"x-amz-cek-alg", "x-amz-wrap-alg", "x-amz-tag-len",
	"x-amz-crypto-instr-file", "x-amz-unencrypted-content-length", "x-amz-unencrypted-content-md5",
	"x-amz-c", "x-amz-3", "x-amz-w", "x-amz-d", "x-amz-i", "x-amz-t", "x-amz-m",

	// Digests within attributes. Source: s3cmd, "s3cmd-attrs"; MinIO client, "mc-attrs".
	"s3cmd-attrs", "mc-attrs",

	// Lengths. Source: Hadoop S3A, HeaderProcessing.
	"x-hadoop-s3a-magic-data-length",

	// Times of the bytes, beside our own "mtime". Source: Amazon FSx for Lustre, DataSync
	// and Storage Gateway, "POSIX metadata"; gsutil, "Preserving POSIX attributes"; MSP360.
	"file-mtime", "file-atime", "goog-reserved-file-mtime",
	"goog-reserved-file-atime", "cb-modifiedtime",

	// How the bytes are packed, where it is not in the header of that name.
	"content-encoding", "transfer-encoding",
	"compression", "compression-type", "compression-method",
}

// digestNames are parts of words that name digests: rclone's "md5chksum", jets3t's
// "md5-hash", "sha256sum", "content-md5".
var digestNames = []string{
	"md5", "sha1", "sha224", "sha256", "sha384", "sha512", "crc32", "crc64", "xxh3",
	"xxh64", "xxh128", "xxhash",
	"blake2", "blake3", "adler32", "checksum", "chksum", "cksum", "digest",
}

var (
	// digestWords name a digest as words of their own, if all other words of the key are
	// bytesWords: "file-hash" does, and "commit-hash" does not.
	digestWords = []string{"hash", "sha", "crc", "etag", "sum"}
	// lengthWords name a length likewise: "part-size", "original-content-length".
	lengthWords = []string{
		"size", "length", "filesize", "partsize", "chunksize",
		"blocksize", "contentlength", "filelength",
	}
	// bytesWords are what digests and lengths are said to be of, and how they are written.
	bytesWords = []string{
		"content", "file", "object", "body", "data", "payload", "part", "chunk",
		"block", "multipart", "upload",
		"original", "orig", "source", "src", "raw", "plain", "plaintext", "encrypted",
		"unencrypted", "decrypted",
		"compressed", "uncompressed", "decompressed", "encoded", "decoded", "total",
		"amz", "x", "meta", "s3",
		"hex", "b64", "base64", "bytes", "value", "1", "2", "3", "224", "256", "384",
		"512", "32", "32c", "64", "64nvme",
	}
)

// derived reports whether a user metadata key describes the object's bytes.
func derived(key string) bool {
	key = strings.ToLower(key)
	if slices.Contains(derivedKeys, key) {
		return true
	}
	if slices.ContainsFunc(digestNames,
		func(name string) bool { return strings.Contains(key, name) }) {
		return true
	}
	found := false
	for _, word := range strings.FieldsFunc(key,
		func(r rune) bool { return strings.ContainsRune("-_. ", r) }) {
		switch {
		case slices.Contains(digestWords, word) || slices.Contains(lengthWords, word):
			found = true
		case !slices.Contains(bytesWords, word):
			return false
		}
	}
	return found
}

// withoutDerived returns a header for other bytes. They are not archived, though the
// others were: a file that is written is meant to be read.
func withoutDerived(h s3backend.Header) s3backend.Header {
	h.ContentEncoding = ""
	if s3backend.Archives(h.Class) {
		h.Class = ""
	}
	h.User = maps.Clone(h.User)
	maps.DeleteFunc(h.User, func(key, _ string) bool { return derived(key) })
	return h
}

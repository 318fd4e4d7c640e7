// Package multipart sends one file to S3 by a multipart upload, while it is still being written
// or when it is committed.
//
// A [File] is what is sent: its staged [Content], the version that it was made from, and its
// [Owner], the pending file of the outbox. A [Service] is what all uploads have in common: the
// bucket, and the limiter of requests.
//
// The life of an upload: [New] makes one while the file is still being written. [Upload.SendReady]
// creates it at S3 and sends the parts that are complete, after each write. When the file is
// closed, [Upload.Seal] lets the last part be sent. The commit calls [Upload.TakeOver], which ends
// this and returns the parts that the object consists of, [Upload.SendMissing] and
// [Upload.Complete]. If there is no upload that fits the content, [Create] makes one. An upload
// that is not completed is aborted by [Upload.Cancel] and [Upload.Abort]. What the owner's journal
// has of an upload is a [State], with which [Restore] goes on in a later process.
//
// A part is sent once, unless its bytes or its bounds have changed since: S3 has replaced it then.
package multipart

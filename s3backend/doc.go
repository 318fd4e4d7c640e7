// Package s3backend makes requests to one S3 bucket and returns their results.
// It knows keys, ETags, parts and upload IDs, but no files or caches.
//
// [Open] finds credentials and region, checks that the bucket answers, and
// returns a [Client], which is safe for concurrent use. A [Client] starts no
// goroutine that outlives a call, and every call ends with its context.
//
// The life of a byte that is written: [Client.Put], or [Client.CreateUpload],
// then [Client.UploadPart] or [Client.CopyPart], then [Client.Complete]. The
// body is read twice: once for its CRC-32, which S3 checks, once to be sent. A
// byte that is read comes from [Client.Get], which asks for one range of one
// version (If-Match) and gives those bytes or an error, never others.
//
// A Client has one method for each request, or for each group of requests that only make sense
// together. It consists of parts: the endpoint (the bucket, how it is reached, which server
// replies), opening (whether the bucket is there), contact (the circuit breaker), waiting (time
// limits), logins (credentials), direct (requests that go past the SDK), preconditions (writes on a
// condition, and what the server was found to do with these), payloads (what is signed) and
// annotations. source is the object that a copy reads. [Rights] finds out what the policy grants,
// [Ownership] who owns the bucket and its objects; [Client.Rights] and [Client.Ownership] return
// them.
//
// Every object that is created here carries the canned ACL
// bucket-owner-full-control: without it, the owner of the bucket could list
// what another account uploads, and could not read it. See acl.go.
//
// Errors are [*Error], each of one [Kind]; an error of the caller's own context
// is returned unchanged. Retries are the SDK's: three attempts unless
// [Config] says otherwise. A request on which no byte moves for 30 seconds
// fails, and is not tried again.
package s3backend

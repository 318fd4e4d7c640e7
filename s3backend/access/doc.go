// Package access is about who may do what in a bucket: the policy that lets a
// client in, the settings that go with it, and what of it is missing.
//
// [Terms] say what the owner offers a client: a [Grant] on two folders. They
// give the statements of ours, which bear a Sid of ours, so that they are known
// again. A [Document] is a bucket policy as it was read: statements that are
// not ours stay in it as they are, members that this package does not know
// included.
package access

// Package access is about who may do what in a bucket: the policy that lets a
// client in, the settings that go with it, and what of it is missing.
//
// [Terms] say what the owner offers a client: a [Grant] on two folders. They
// give the statements of ours, which bear a Sid of ours, so that they are known
// again. A [Document] is a bucket policy as it was read: statements that are
// not ours stay in it as they are, members that this package does not know
// included.
//
// [Look] finds out how a bucket is, [MakePlan] what has to be done to it for a
// [Setup], and [Plan.Apply] does that; a Plan can also be written for people, for
// scripts, for Terraform and for CloudFormation. A [Lint] shows what a policy lets
// whom do, and what is wrong with it. An [Invitation] is what the client is sent.
package access

// Package access sets up who may do what in a bucket: the policy that gives a
// client access, and the settings that belong to it. It also finds what is missing.
//
// [Terms] are what the owner offers a client: a [Grant] on two folders. The policy's
// statements are made from them, and recognised later by their Sid. A [Document] is a
// bucket policy as it was read. Statements of others stay in it unchanged, including
// members that this package does not know.
//
// [Look] reads the state of a bucket, [MakePlan] finds the changes that a [Setup]
// needs, and [Plan.Apply] makes them. A Plan can also be written for people, for
// scripts, for Terraform and for CloudFormation. A [Lint] shows what a policy allows
// to whom, and what is wrong with it. An [Invitation] is what the client is sent.
package access

package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend/access"
)

// policyCmd is what s3share policy is asked for.
type policyCmd struct {
	ownerFlags
	check string // the file to look at, - for standard input
	json  bool
	iam   bool
}

func newPolicy() *cobra.Command {
	var in policyCmd
	cmd := &cobra.Command{
		Use:   "policy [BUCKET]",
		Short: "Print the bucket policy of an exchange, or check one",
		Long: `Print the policy that s3share init would set on BUCKET for a client, or with
--check analyse a policy: who may do what in the two folders, and

    wrong     what S3 would refuse
    wide      where it allows more than an exchange needs
    missing   what s3share needs, and it does not grant
    note      what is worth knowing

With --iam, print the policy that the client's own administrator attaches to the
client's user or role: AWS requires both policies if the account does not own the
bucket. --client is not needed for this one. Other servers have no such policies.

This sends no request to S3 and needs no credentials. With --check, the bucket is the
one that the policy names, unless BUCKET is given. The exit status is 1 if the analysis
finds more than notes.
` + exitCodes,
		Example: `  s3share policy team-exchange --client 444455556666 --grant dropbox
  s3share policy team-exchange --iam --grant dropbox
  aws s3api get-bucket-policy --bucket team-exchange --query Policy --output text | s3share policy --check -`,
		Args: argRange(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				in.bucket = args[0]
			}
			switch {
			case in.check != "" && in.iam:
				return hint.Usage("",
					"--check looks at a bucket's policy and --iam prints another kind: say one of them")
			case in.until != "" && (in.iam || in.check != ""):
				return hint.Usage("",
					"--until is of the bucket policy that is printed: leave out --iam and --check")
			case in.kms != "" && !in.iam:
				return hint.Usage("",
					"a bucket policy has nothing about keys: say --kms with --iam only")
			case in.check != "":
				return in.look(cmd.InOrStdin(), cmd.OutOrStdout())
			}
			return in.write(cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	in.ownerFlags.register(flags)
	flags.StringVar(&in.check, "check", "",
		"analyse the policy in this `FILE`; - is standard input")
	flags.BoolVar(&in.iam, "iam", false, "print the policy for the client's own user or role")
	flags.StringVar(&in.kms,
		"kms", "", "with --iam, the full `ARN` of the KMS key that objects are encrypted with")
	flags.BoolVar(&in.json, "json", false, "with --check, for scripts")
	return cmd
}

// write prints the policy of the terms.
func (in *policyCmd) write(out io.Writer) error {
	if in.bucket == "" {
		return hint.Usage("",
			"policy needs a bucket whose policy is printed, or with --check a policy to look at")
	}
	s, err := in.settings()
	if err != nil {
		return err
	}
	elsewhere := s.NotAWS()
	if in.iam && elsewhere {
		return hint.Usage("", "--iam is for AWS: other servers ask for the bucket's policy alone")
	}
	if in.iam && in.client == "" {
		in.client = nobody
	}
	setup, err := in.setup(s.Region, elsewhere)
	if err != nil {
		return err
	}
	if setup.Grant == "" {
		setup.Grant = access.Folders
	}
	if setup.Ownership == "" && !setup.Elsewhere {
		setup.Ownership = access.Enforced
	}
	doc := access.Document{}.With(setup.Terms)
	if in.iam {
		doc = setup.IAM()
		if in.kms != "" {
			doc.Statement = append(doc.Statement, access.KeyUse(in.kms))
		}
	}
	_, err = fmt.Fprintln(out, doc)
	return err
}

// nobody stands for the client where the policy does not name one.
const nobody = "000000000000"

// notAPolicy says what is a policy.
const notAPolicy = "a policy is what aws s3api get-bucket-policy --bucket BUCKET --query Policy --output text prints"

// look checks a policy.
func (in *policyCmd) look(stdin io.Reader, out io.Writer) error {
	text, err := in.read(stdin)
	if err != nil {
		return err
	}
	doc, err := access.ParseDocument(text)
	if err != nil {
		return hint.With(fmt.Errorf("cannot read %s: %w", in.check, err), notAPolicy)
	}
	l, err := in.lint(doc)
	if err != nil {
		return err
	}
	clients := doc.Clients()
	if in.client != "" {
		s, err := in.settings()
		if err != nil {
			return err
		}
		one, err := access.ClientPrincipal(in.client, s.Region, l.Elsewhere)
		if err != nil {
			return hint.Usage("", "cannot read --client: %w", err)
		}
		clients = []string{one}
		l.Client = one
	}
	findings := l.Remarks()
	if in.json {
		if err := writeJSON(out, l.Review(clients)); err != nil {
			return err
		}
	} else {
		n := ui.NewPrinter(out)
		for _, c := range clients {
			showRights(n, l, c)
		}
		if len(findings) > 0 {
			n.Line("")
			showFindings(n, findings)
		}
	}
	for _, f := range findings {
		if f.Level != access.Note {
			return hint.Silent(hint.ExitFailed)
		}
	}
	return nil
}

func (in *policyCmd) read(stdin io.Reader) ([]byte, error) {
	const most = 1 << 20 // S3 takes 20 KiB
	if in.check == "-" {
		return io.ReadAll(io.LimitReader(stdin, most))
	}
	f, err := os.Open(in.check)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", in.check, hint.WithoutPath(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", in.check, hint.WithoutPath(err))
	}
	return text, nil
}

// lint is the policy, and what it is looked at for.
func (in *policyCmd) lint(doc access.Document) (access.Lint, error) {
	l := access.Lint{Document: doc, Bucket: in.bucket}
	if l.Bucket == "" {
		l.Bucket = access.BucketOf(doc)
	}
	if l.Bucket == "" {
		return l, hint.Usage("name the bucket: s3share policy BUCKET --check "+in.check,
			"the policy does not say which bucket it is for")
	}
	s, err := in.settings()
	if err != nil {
		return l, err
	}
	l.Elsewhere = s.NotAWS()
	names, err := in.twoFolders()
	if err != nil {
		return l, err
	}
	l.Folders = names[:]
	if in.ownership != "" {
		if l.Ownership, err = access.ParseOwnership(in.ownership); err != nil {
			return l, hint.Usage(hint.DidYouMean(in.ownership, ownershipNames, ""),
				"cannot read --ownership: %w", err)
		}
	}
	return l, nil
}

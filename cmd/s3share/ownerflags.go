package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend/access"
)

// ownerFlags is what init and policy let an owner say.
type ownerFlags struct {
	bucket     string
	client     string
	grant      string
	ownership  string
	kms        string
	versioning bool
	until      string
	keep       string
	folders    []string

	versions     bool
	versionsSaid func() bool

	flags config.Layer // of where the bucket is, and with which credentials
}

// connectionSettings are the settings that say where a bucket is, and as whom to ask.
var connectionSettings = []string{"endpoint-url", "region", "profile"}

func (o *ownerFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&o.client, "client",
		"", "who is let in: an `ACCOUNT` id, or the ARN of a user or role")
	flags.StringVar(&o.grant, "grant", "",
		"what the client may do, a `GRANT`: dropbox, folders, article or full (default: folders, or unchanged)")
	flags.StringVar(&o.ownership, "ownership", "",
		"who owns objects, a `SETTING` of S3: enforced, preferred or writer (default: enforced)")
	flags.StringVar(&o.until, "until", "",
		"the `DATE` at the end of which (UTC) the client's access ends, like 2027-01-31, or never (default: unchanged)")
	flags.StringArrayVar(&o.folders, "folder", nil,
		"the two folders' `NAME`s: first what you share, then what is delivered (default: Submissions and Delivery)")
	flags.BoolVar(&o.versions, "client-versions",
		false, "the client may list and get earlier versions (default: unchanged)")
	o.versionsSaid = func() bool { return flags.Changed("client-versions") }
	o.flags = config.AddFlags(flags, connectionSettings...)
}

// settings are the bucket, and what is said about reaching it.
func (o *ownerFlags) settings() (*config.Settings, error) {
	s, err := connectionFrom(o.flags)
	if err != nil {
		return nil, err
	}
	s.Bucket = o.bucket
	// policy --check finds its bucket itself.
	if err := config.CheckBucket(s.Bucket); err != nil && s.Bucket != "" {
		return nil, hint.Usage("", "%w", err)
	}
	return s, nil
}

// connectionFrom gathers the settings that say where a bucket is, and as whom to ask.
func connectionFrom(flags config.Layer) (*config.Settings, error) {
	env, err := config.Environment()
	if err != nil {
		return nil, err
	}
	s := config.Defaults()
	for _, l := range []config.Layer{env, flags} {
		only := config.Layer{}
		for _, name := range append([]string{config.PayerSetting}, connectionSettings...) {
			only[name] = l[name]
		}
		if err := only.Over(s); err != nil {
			return nil, hint.Usage("", "%w", err)
		}
	}
	return s, nil
}

// setup is what the owner wants, for a bucket in a region, or elsewhere than AWS.
func (o *ownerFlags) setup(region string, elsewhere bool) (access.Setup, error) {
	s := access.Setup{KMSKey: o.kms, Versioning: o.versioning}
	s.Bucket, s.Elsewhere = o.bucket, elsewhere
	s.Versions, s.VersionsSaid = o.versions, o.versionsSaid()
	var err error
	if o.client == "" {
		return s, hint.Usage("name the client's account with --client, 12 digits",
			"no client is named")
	}
	if s.Client, err = access.ClientPrincipal(o.client, region, elsewhere); err != nil {
		return s, hint.Usage("", "cannot read --client: %w", err)
	}
	if o.grant != "" {
		if s.Grant, err = access.ParseGrant(o.grant); err != nil {
			return s, hint.Usage(hint.DidYouMean(o.grant, grantNames(), ""),
				"cannot read --grant: %w", err)
		}
	}
	if o.ownership != "" {
		if s.Ownership, err = access.ParseOwnership(o.ownership); err != nil {
			return s, hint.Usage(hint.DidYouMean(o.ownership, ownershipNames, ""),
				"cannot read --ownership: %w", err)
		}
	}
	switch {
	case elsewhere && o.until != "" && o.until != access.Never:
		return s, hint.Usage("take the client out with --remove when it is time",
			"--until is for AWS: whether another server heeds a date in a policy is not known")
	case elsewhere && o.keep != "" && o.keep != access.Forever:
		return s, hint.Usage("remove objects by hand, or by what that server has for it",
			"--keep is for AWS: whether another server deletes by lifecycle rules is not known")
	}
	if o.until != "" {
		s.UntilSaid = true
		if s.Until, err = access.ParseUntil(o.until); err != nil {
			return s, hint.Usage("", "cannot read --until: %w", err)
		}
	}
	if o.keep != "" {
		if s.Keep, err = access.ParseKeep(o.keep); err != nil {
			return s, hint.Usage("", "cannot read --keep: %w", err)
		}
	}
	if o.kms != "" {
		if err := access.CheckKey(o.kms, ""); err != nil {
			return s, hint.Usage("", "cannot read --kms: %w", err)
		}
	}
	names, err := o.twoFolders()
	s.Shared, s.Delivered = names[0], names[1]
	return s, err
}

// ownershipNames are the settings of Object Ownership, as --ownership takes them.
var ownershipNames = []string{string(access.Enforced),
	string(access.Preferred), string(access.Writer)}

func grantNames() (names []string) {
	for _, g := range access.Grants() {
		names = append(names, string(g))
	}
	return names
}

func (o *ownerFlags) twoFolders() (names [2]string, err error) {
	folders := o.folders
	if len(folders) == 0 {
		folders = access.DefaultFolders()
	}
	if len(folders) != 2 {
		return names, hint.Usage("say --folder twice, or not at all",
			"an exchange has two folders, and --folder names %d", len(folders))
	}
	for i, f := range folders {
		if err := config.CheckFolder(f); err != nil {
			return names, hint.Usage("", "cannot read --folder: %w", err)
		}
		names[i] = f
	}
	if names[0] == names[1] {
		return names, hint.Usage("", "cannot read --folder: both are called %q", names[0])
	}
	return names, nil
}

// showRights tells what a client may do, in the words of the folders.
func showRights(n ui.Printer, l access.Lint, client string) {
	n.Line(hint.OneLine(client) + " may")
	width := 0
	for _, f := range l.Folders {
		width = max(width, len(f)+1)
	}
	for _, f := range l.Folders {
		n.Line(fmt.Sprintf("  %-*s  %s",
			width, f+"/", l.Rights(client, f).Words(access.OnCondition)))
	}
}

func showFindings(n ui.Printer, findings []access.Remark) {
	for _, f := range findings {
		where := ""
		if f.Statement != "" {
			where = " " + f.Statement
		}
		n.Line("  " + hint.OneLine(fmt.Sprintf("%s%s: %s", f.Level, where, f.Text)))
	}
}

// Package config finds the settings of a mount. Flags take precedence over -o, -o over the
// environment, and the environment over the config file.
//
// [CommandLine] has the settings of a command line; its Resolve returns the [Settings]. [FillPaths]
// fills in where S3, state and cache are. [AddExchange] adds an exchange to the config file and
// leaves all else in it as it is. Nothing here sends a request.
package config

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/pflag"

	"github.com/s3share/s3share/cache/privatename"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
	"github.com/s3share/s3share/s3backend"
)

// Settings is everything that can be said about a mount.
type Settings struct {
	Exchange string `toml:"-"` // its name in the config file, "" if it has none

	Bucket     string   `toml:"bucket"`
	Endpoint   string   `toml:"endpoint-url"`
	Region     string   `toml:"region"`
	Profile    string   `toml:"profile"`
	Owner      string   `toml:"owner"`
	Payer      bool     `toml:"requester-pays"`
	Folders    []string `toml:"folders"`
	ReadOnly   bool     `toml:"read-only"`
	Sync       bool     `toml:"sync"`
	StateDir   string   `toml:"state-dir"`
	CacheDir   string   `toml:"cache-dir"`
	CacheSize  byteSize `toml:"cache-size"`
	Memory     byteSize `toml:"memory"`
	StageSize  byteSize `toml:"stage-size"`
	Upload     byteRate `toml:"limit-upload"`
	Download   byteRate `toml:"limit-download"`
	LimitTimes []string `toml:"limit-times"`
	Metered    bool     `toml:"pause-on-metered"`
	UID        uint32   `toml:"uid"`
	GID        uint32   `toml:"gid"`
	Umask      modeBits `toml:"umask"`
	AllowOther bool     `toml:"allow-other"`
	LogFile    string   `toml:"log-file"`
	Private    []string `toml:"private"`
	Notices    bool     `toml:"notices"`
	Inhibit    bool     `toml:"inhibit"`
	Bookmark   bool     `toml:"bookmark"`
	Arrivals   bool     `toml:"arrivals"`
	Thumbnails string   `toml:"thumbnails"` // limitedThumbnails or AllThumbnails
	Verbose    bool     `toml:"verbose"`

	At s3backend.Location `toml:"-"` // of the bucket, once it is found out
	// Adopt: what waits in the state directory is for this bucket, whatever bucket it names.
	Adopt  bool     `toml:"-"`
	Kernel []string `toml:"-"` // mount options that the kernel takes as they are
}

// Defaults are the settings of which nobody says anything.
func Defaults() *Settings {
	return &Settings{
		Folders:    []string{"Submissions", "Delivery"},
		Notices:    true,
		Inhibit:    true,
		Arrivals:   true,
		Thumbnails: limitedThumbnails,
		CacheSize:  10 << 30,
		Memory:     96 << 20,
		UID:        uint32(os.Getuid()),
		GID:        uint32(os.Getgid()),
		Umask:      0o022,
	}
}

// Backend is how requests are made to the bucket of s.
func (s *Settings) Backend() s3backend.Config {
	return s3backend.Config{
		Bucket: s.Bucket, Region: s.Region, Endpoint: s.Endpoint, Profile: s.Profile,
		ExpectedOwner: s.Owner, RequesterPays: s.Payer, Prefix: s.Folders[0] +
			"/", UserAgent: "s3share/" + hint.VersionText(),
		Limits: s.LimitsAt(time.Now()),
	}
}

// A setting is one field of settings: how it is named and how it is read. Its name
// is the flag's; in the environment it is S3SHARE_ and the name in capitals.
type setting struct {
	name  string
	arg   string // what the flag takes; "" for a switch
	usage string // "" if there is no flag, only -o and the others
	set   func(*Settings, string) error
}

// isSwitch reports whether the setting is true or false.
func (s setting) isSwitch() bool { return s.set != nil && s.arg == "" }

// onByDefault reports whether a switch is on where nobody says anything of it.
func (s setting) onByDefault() bool {
	on := Defaults()
	return s.set(on, "true") == nil && reflect.DeepEqual(on, Defaults())
}

// PayerSetting is the one by which an account agrees to pay for its requests.
const PayerSetting = "requester-pays"

// FolderSetting is the one setting whose key in the config file is another.
const FolderSetting = "folder"

// listSettings can be said several times. What one source says of them takes the
// place of what those below it say.
var listSettings = map[string]func(*Settings) *[]string{
	FolderSetting: func(s *Settings) *[]string { return &s.Folders },
	"private":     func(s *Settings) *[]string { return &s.Private },
	"limit-times": func(s *Settings) *[]string { return &s.LimitTimes },
}

// pathSettings are files and directories.
var pathSettings = []string{"state-dir", "cache-dir", "log-file"}

var settingTable = []setting{
	{"bucket", "NAME", "the bucket, if the config file does not name it",
		func(s *Settings, v string) error { s.Bucket = v; return CheckBucket(v) }},
	{"endpoint-url", "URL", "the URL of the S3 server, if it is not AWS",
		func(s *Settings, v string) error { s.Endpoint = v; return s3backend.CheckEndpointURL(v) }},
	{"region", "NAME", "the bucket's region (default: found out)",
		textField(func(s *Settings) *string { return &s.Region })},
	{"profile", "NAME", "the AWS profile whose credentials are used",
		textField(func(s *Settings) *string { return &s.Profile })},
	{"owner", "ACCOUNT", "the account that owns the bucket; a bucket of another is refused",
		func(s *Settings, v string) error { s.Owner = v; return checkOwner(v) }},
	{PayerSetting, "", "agree that your account pays for the requests, as the bucket requires",
		boolField(func(s *Settings) *bool { return &s.Payer })},
	{FolderSetting, "NAME",
		"a folder of the exchange; can be repeated (default: Submissions and Delivery)", setFolder},
	{"read-only", "", "change nothing", boolField(func(s *Settings) *bool { return &s.ReadOnly })},
	{"sync", "", "", boolField(func(s *Settings) *bool { return &s.Sync })},
	{"allow-other", "", "", boolField(func(s *Settings) *bool { return &s.AllowOther })},
	{"state-dir", "DIR", "the directory of the outbox (default: below $XDG_STATE_HOME)",
		pathField(func(s *Settings) *string { return &s.StateDir })},
	{"cache-dir", "DIR", "the directory of the disk cache (default: below $XDG_CACHE_HOME)",
		pathField(func(s *Settings) *string { return &s.CacheDir })},
	{"cache-size", "SIZE", "the maximum size of the disk cache, 0 for none (default: 10GiB)",
		sizeField(func(s *Settings) *byteSize { return &s.CacheSize })},
	{"memory", "SIZE", "the maximum size of cached blocks in memory (default: 96MiB)",
		sizeField(func(s *Settings) *byteSize { return &s.Memory })},
	{"stage-size", "SIZE",
		"the maximum size of what waits for delivery (default: what the disk has, less a reserve)",
		sizeField(func(s *Settings) *byteSize { return &s.StageSize })},
	{"limit-upload", "RATE", "send at most this many bytes a second, like 5M (default: no limit)",
		rateField(func(s *Settings) *byteRate { return &s.Upload })},
	{"limit-download", "RATE", "receive at most this many bytes a second (default: no limit)",
		rateField(func(s *Settings) *byteRate { return &s.Download })},
	{"limit-times", "TIME",
		"other limits at times of the week, like \"Mon-Fri 08:00-18:00 5M/20M\"; can be repeated",
		setLimitTime},
	{"pause-on-metered", "", "", boolField(func(s *Settings) *bool { return &s.Metered })},
	{"uid", "UID", "the owner of all files (default: you)",
		idField(func(s *Settings) *uint32 { return &s.UID })},
	{"gid", "GID", "the group of all files (default: yours)",
		idField(func(s *Settings) *uint32 { return &s.GID })},
	{"umask", "OCTAL", "permission bits that no file has (default: 022)",
		func(s *Settings, v string) error { return s.Umask.UnmarshalText([]byte(v)) }},
	{"log-file", "FILE", "the log file (default: in the state directory; with -f, standard error)",
		pathField(func(s *Settings) *string { return &s.LogFile })},
	{"private", "PATTERN",
		"names that stay on this machine, like *.bak, in addition to the built-in list; !PATTERN removes one of that list; can be repeated", setPrivate},
	{"notices", "", "", boolField(func(s *Settings) *bool { return &s.Notices })},
	{"inhibit", "", "", boolField(func(s *Settings) *bool { return &s.Inhibit })},
	{"bookmark", "", "", boolField(func(s *Settings) *bool { return &s.Bookmark })},
	{"arrivals", "", "", boolField(func(s *Settings) *bool { return &s.Arrivals })},
	{"thumbnails", limitedThumbnails + "|" + AllThumbnails, "", setThumbnails},
	{"verbose", "", "log every request", boolField(func(s *Settings) *bool { return &s.Verbose })},
}

func findSetting(name string) (setting, bool) {
	i := slices.IndexFunc(settingTable, func(s setting) bool { return s.name == name })
	if i < 0 {
		return setting{}, false
	}
	return settingTable[i], true
}

// A Layer is what one source says: values by the setting's name.
type Layer map[string][]string

// add records a value after it was found to be readable.
func (l Layer) add(st setting, value string) error {
	if err := st.set(new(Settings), value); err != nil {
		return err
	}
	if slices.Contains(pathSettings, st.name) { // of the directory where it was said
		var err error
		if value, err = mounts.AbsPath(value); err != nil {
			return err
		}
	}
	l[st.name] = append(l[st.name], value)
	return nil
}

// Over lays l over s.
func (l Layer) Over(s *Settings) error {
	for _, st := range settingTable {
		values := l[st.name]
		if list := listSettings[st.name]; list != nil && len(values) > 0 {
			*list(s) = nil
		}
		for _, v := range values {
			if err := st.set(s, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// AddFlags gives flags every setting that has one, or only those that are named;
// what is typed lands in the returned layer.
func AddFlags(flags *pflag.FlagSet, only ...string) Layer {
	typed := Layer{}
	for _, st := range settingTable {
		if st.usage == "" || len(only) > 0 && !slices.Contains(only, st.name) {
			continue
		}
		short := ""
		if st.name == "verbose" {
			short = "v"
		}
		f := flags.VarPF(&flagValue{st, typed}, st.name, short, st.usage)
		if st.isSwitch() {
			f.NoOptDefVal = "true"
		}
	}
	return typed
}

// flagValue is a setting as a flag.
type flagValue struct {
	st    setting
	typed Layer
}

var _ pflag.Value = (*flagValue)(nil)

func (f *flagValue) Set(v string) error { return f.typed.add(f.st, v) }
func (f *flagValue) String() string     { return "" }

func (f *flagValue) Type() string {
	if f.st.isSwitch() {
		return "bool"
	}
	return f.st.arg
}

func textField(field func(*Settings) *string) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		*field(s) = v
		return nil
	}
}

func pathField(field func(*Settings) *string) func(*Settings, string) error {
	return func(s *Settings, v string) (err error) {
		*field(s), err = mounts.AbsPath(v)
		return err
	}
}

func boolField(field func(*Settings) *bool) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", v)
		}
		*field(s) = b
		return nil
	}
}

func sizeField(field func(*Settings) *byteSize) func(*Settings, string) error {
	return func(s *Settings, v string) error { return field(s).UnmarshalText([]byte(v)) }
}

func rateField(field func(*Settings) *byteRate) func(*Settings, string) error {
	return func(s *Settings, v string) error { return field(s).UnmarshalText([]byte(v)) }
}

func idField(field func(*Settings) *uint32) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil {
			return fmt.Errorf("%q is no numeric id", v)
		}
		*field(s) = uint32(n)
		return nil
	}
}

// setFolder adds a folder: a name at the root of the exchange, so without slash.
func setFolder(s *Settings, v string) error {
	if err := CheckFolder(v); err != nil {
		return err
	}
	s.Folders = append(s.Folders, v)
	return nil
}

// setPrivate adds a change to the list of private names.
func setPrivate(s *Settings, v string) error {
	if _, err := privatename.New([]string{v}); err != nil {
		return err
	}
	s.Private = append(s.Private, v)
	return nil
}

// PrivateNames are the names that are not sent. A pattern for a folder of the
// exchange would keep all that is in it.
func (s *Settings) PrivateNames() (*privatename.Patterns, error) {
	p, err := privatename.New(s.Private)
	if err != nil {
		return nil, err
	}
	for _, folder := range s.Folders {
		if p.Dir(folder) {
			return nil,
				fmt.Errorf(
					"the private names %s take in the folder %q, of which nothing would be delivered: write narrower patterns", quoted(s.Private), folder)
		}
	}
	return p, nil
}

func quoted(list []string) string {
	var all []string
	for _, s := range list {
		all = append(all, strconv.Quote(s))
	}
	return strings.Join(all, ", ")
}

// byteSize is a number of bytes that is written like 512MiB.
type byteSize int64

func (b *byteSize) UnmarshalText(text []byte) error {
	n, err := parseSize(string(text))
	*b = byteSize(n)
	return err
}

// modeBits are permission bits that are written in octal.
type modeBits uint32

func (m *modeBits) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 8, 32)
	if err != nil || n > 0o777 {
		return fmt.Errorf("%q is no umask; write it in octal, like 022", text)
	}
	*m = modeBits(n)
	return nil
}

// UnmarshalTOML reads a value of the config file as it stands there: a text, or a
// number that is written as an octal one. 27 would be a decimal number, which nobody
// means.
func (m *modeBits) UnmarshalTOML(data []byte) error {
	text := string(bytes.TrimSpace(data))
	bits := func(octal string) error {
		if err := m.UnmarshalText([]byte(octal)); err != nil {
			return &valueError{"umask", text, fmt.Errorf("umask: %w", err)}
		}
		return nil
	}
	if digits, ok := strings.CutPrefix(text, "0o"); ok {
		return bits(strings.ReplaceAll(digits, "_", ""))
	}
	var value struct{ V any }
	if err := toml.Unmarshal([]byte("V = "+text), &value); err != nil {
		return err
	}
	quoted, ok := value.V.(string)
	if !ok {
		err := fmt.Errorf(
			"umask is octal: write it in quotes, like \"027\", or as 0o027, and not as %s", text)
		return &valueError{"umask", text, err}
	}
	return bits(quoted)
}

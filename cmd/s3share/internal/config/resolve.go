package config

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
)

// CommandLine is what the command line says about a mount.
type CommandLine struct {
	Exchange string   // "" for the default one
	config   string   // of --config
	options  []string // of each -o
	Flags    Layer
}

// AddFlags gives flags all that can be said about a mount.
func (c *CommandLine) AddFlags(flags *pflag.FlagSet) {
	c.Flags = AddFlags(flags)
	flags.StringVar(&c.config, "config",
		"", "the config `FILE` (default: ~/.config/s3share/config.toml)")
	flags.StringArrayVarP(&c.options, "options", "o", nil, "mount options, a `LIST` with commas")
}

// Named is a command line that names an exchange of a config file and nothing else; file is "" for
// the usual one.
func Named(file, exchange string) CommandLine {
	return CommandLine{Exchange: exchange, config: file}
}

// Resolve gathers the settings: flags go before -o, -o before the environment, the
// environment before the config file. A bucket that is named outside the config
// file needs none; then its default exchange is not looked at.
func (c CommandLine) Resolve() (*Settings, error) {
	sources, err := c.Sources()
	if err != nil {
		return nil, err
	}
	return sources.Settings()
}

// Sources are what the settings of one mount are gathered from: what the command line and the
// environment said when they were made, and a config file, which is read each time.
type Sources struct {
	exchange  string
	file      string
	fileErr   error // why no file was found
	fileAsked bool
	layers    []Layer // each goes before the one before it
	kernel    []string
}

// Sources takes in what the command line and the environment say.
func (c CommandLine) Sources() (s Sources, err error) {
	env, err := Environment()
	if err != nil {
		return s, err
	}
	options, kernel, err := readOptions(c.options)
	if err != nil {
		return s, err
	}
	s = Sources{exchange: c.Exchange, layers: []Layer{env, options, c.Flags}, kernel: kernel}
	s.file, s.fileAsked, s.fileErr = Path(c.config)
	return s, nil
}

// Of returns sources of the same mount, whatever the default exchange of the config file becomes.
func (c Sources) Of(exchange string) Sources {
	if exchange != "" {
		c.exchange = exchange
	}
	return c
}

// In returns the same sources with another config file.
func (c Sources) In(file string) (Sources, error) {
	c.file, c.fileAsked, c.fileErr = Path(file)
	return c, c.fileErr
}

// Settings gathers the settings as they are now.
func (c Sources) Settings() (*Settings, error) {
	s := Defaults()
	file, err := c.file, c.fileErr
	if err != nil && (c.fileAsked || c.exchange != "") {
		return nil, err
	}
	named := slices.ContainsFunc(c.layers, func(l Layer) bool { return len(l["bucket"]) > 0 })
	if c.exchange != "" || c.fileAsked || !named {
		if !c.fileAsked {
			err = checkConfig(file)
		}
		if err == nil {
			err = readConfig(file, c.exchange, s)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, l := range c.layers {
		if err := l.Over(s); err != nil {
			return nil, hint.Usage("", "%w", err)
		}
	}
	if s.Bucket == "" {
		return nil, hint.Usage("write bucket = \"NAME\" into its table, or say --bucket",
			"the exchange %q of %s names no bucket", s.Exchange, file)
	}
	// What is before the @ may be secret: do not print or keep it.
	if strings.Contains(s.Endpoint, "@") {
		return nil, hint.Usage(
			"credentials come from the profile or the environment, as the AWS tools take them",
			"the endpoint has a user name or a password before its host, which S3 does not take")
	}
	if _, err := s.PrivateNames(); err != nil {
		return nil, hint.Usage("", "%w", err)
	}
	if err := s.checkUmask(); err != nil {
		return nil,
			hint.Usage(
				"each digit takes rights from the owner, the group and others: 022 takes writing from the last two", "%w", err)
	}
	s.Kernel = c.kernel
	return s, nil
}

// Changed returns the keys of the config file in which two settings differ.
func Changed(a, b *Settings) (keys []string) {
	va, vb := reflect.ValueOf(*a), reflect.ValueOf(*b)
	for i := range va.NumField() {
		key := va.Type().Field(i).Tag.Get("toml")
		if key != "-" && !reflect.DeepEqual(va.Field(i).Interface(), vb.Field(i).Interface()) {
			keys = append(keys, key)
		}
	}
	return keys
}

// checkUmask refuses a umask with which nobody could use the mount: neither the owner
// of its files, nor, unless that is root, who mounts it.
func (s *Settings) checkUmask() error {
	const enter = 0o5 // to read and to search a directory
	left := 0o777 &^ uint32(s.Umask)
	if left>>6&enter != enter {
		return fmt.Errorf("with the umask %03o the owner of the files could not open a folder",
			uint32(s.Umask))
	}
	me := os.Geteuid()
	if me == 0 || int(s.UID) == me {
		return nil
	}
	groups, _ := os.Getgroups()
	if int(s.GID) == os.Getegid() || slices.Contains(groups, int(s.GID)) {
		left >>= 3
	}
	if left&enter != enter {
		return fmt.Errorf(
			"with the umask %03o and files of the user %d you could not open a folder yourself",
			uint32(s.Umask), s.UID)
	}
	return nil
}

// Destination is where the mount's requests go.
func (s *Settings) Destination() Destination {
	return Destination{
		Bucket: s.Bucket, Region: s.Region, Endpoint: s.Endpoint,
		Profile: s.Profile, Owner: s.Owner,
		FixedKeys: s.Profile == "" && os.Getenv("AWS_ACCESS_KEY_ID") != "" &&
			os.Getenv("AWS_SECRET_ACCESS_KEY") != "",
	}
}

// Source is how mount(8) shows the mount.
func (s *Settings) Source() string {
	return fmt.Sprintf("%s%s", mounts.SourcePrefix, s.Label())
}

// Label is what people call the exchange.
func (s *Settings) Label() string {
	if s.Exchange != "" {
		return s.Exchange
	}
	return s.Bucket
}

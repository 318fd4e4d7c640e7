package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

const teamConfig = `
default = "team"

[exchange.team]
bucket = "team-exchange"
endpoint-url = "https://s3.example.com"
region = "eu-central-1"
profile = "team"
owner = "111122223333"
folders = ["In", "Out"]
read-only = true
sync = true
allow-other = true
state-dir = "~/state"
cache-size = "1GiB"
memory = 1048576
stage-size = "2G"
uid = 1001
gid = 1002
umask = "027"
private = ["*.bak", "!*.part"]
notices = false
inhibit = false
bookmark = true
thumbnails = "all"
pause-on-metered = true
verbose = true

[exchange.other]
bucket = "other-exchange"
`

// inHome makes the test's environment one of a fresh home with a config file.
func inHome(t *testing.T, config string) string {
	t.Helper()
	dir := testhome.Home(t)
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "S3SHARE_") ||
			strings.HasPrefix(name, "XDG_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("HOME", dir)
	if config != "" {
		testhome.Write(t, dir, ".config/s3share/config.toml", config)
	}
	return dir
}

// TestUmaskInTheConfigFileIsOctal reads each way in which TOML lets it be written.
func TestUmaskInTheConfigFileIsOctal(t *testing.T) {
	for _, tt := range []struct {
		written string
		want    modeBits
		refused string // what the refusal says
	}{
		{`"027"`, 0o027, ""},
		{`'27'`, 0o027, ""},
		{`"0027"`, 0o027, ""},
		{`0o027`, 0o027, ""},
		{`0o0_27`, 0o027, ""},
		{`"000"`, 0, ""},
		{`"222"`, 0o222, ""}, // nobody writes
		{`27`, 0, `"027"`},
		{`18`, 0, `"027"`},
		{`0x17`, 0, `"027"`},
		{`0b10010`, 0, `"027"`},
		{`0`, 0, `"027"`},
		{`2.7`, 0, `"027"`},
		{`true`, 0, `"027"`},
		{`["027"]`, 0, `"027"`},
		{`"28"`, 0, "is no umask"},
		{`0o1027`, 0, "is no umask"},
		{`"-27"`, 0, "is no umask"},
		{`"777"`, 0, "the owner of the files could not open a folder"},
		{`"0700"`, 0, "the owner of the files could not open a folder"},
		{`0o400`, 0, "the owner of the files could not open a folder"},
		{`"100"`, 0, "the owner of the files could not open a folder"},
	} {
		inHome(t, "[exchange.team]\nbucket = \"b\"\numask = "+tt.written+"\n")
		s, err := CommandLine{}.Resolve()
		switch {
		case tt.refused != "":
			if err == nil || !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("umask = %s: %v, want it refused with %s", tt.written, err, tt.refused)
			}
		case err != nil || s.Umask != tt.want:
			t.Errorf("umask = %s: %v, want %03o", tt.written, err, uint32(tt.want))
		}
	}
}

// TestSizesInTheConfigFile reads each way in which TOML lets one be written.
func TestSizesInTheConfigFile(t *testing.T) {
	for _, tt := range []struct {
		written string
		want    byteSize
		refused string // what the refusal says
	}{
		{`"1GiB"`, 1 << 30, ""},
		{`'2K'`, 2 << 10, ""},
		{`1048576`, 1 << 20, ""},
		{`0x10`, 16, ""},
		{`1_000`, 1000, ""},
		{`0`, 0, ""},
		{`-1`, 0, "-1 is no size"},
		{`-9223372036854775808`, 0, "is no size"},
		{`"-1"`, 0, `"-1" is no size`},
		{`inf`, 0, "is no size"},
		{`true`, 0, "is no size"},
		{`["1K"]`, 0, "has to be a size"},
	} {
		inHome(t, "[exchange.team]\nbucket = \"b\"\nmemory = "+tt.written+"\n")
		s, err := CommandLine{}.Resolve()
		switch {
		case tt.refused != "":
			if err == nil || !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("memory = %s: %v, want it refused with %s", tt.written, err, tt.refused)
			}
		case err != nil || s.Memory != tt.want:
			t.Errorf("memory = %s: %v, want %d", tt.written, err, tt.want)
		}
	}
}

func TestConfig(t *testing.T) {
	dir := inHome(t, teamConfig)
	s, err := CommandLine{}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"Exchange", s.Exchange, "team"},
		{"Bucket", s.Bucket, "team-exchange"},
		{"Endpoint", s.Endpoint, "https://s3.example.com"},
		{"Region", s.Region, "eu-central-1"},
		{"Profile", s.Profile, "team"},
		{"Owner", s.Owner, "111122223333"},
		{"Folders", strings.Join(s.Folders, " "), "In Out"},
		{"ReadOnly", s.ReadOnly, true},
		{"Sync", s.Sync, true},
		{"AllowOther", s.AllowOther, true},
		{"StateDir", s.StateDir, filepath.Join(dir, "state")},
		{"CacheSize", s.CacheSize, byteSize(1 << 30)},
		{"Memory", s.Memory, byteSize(1 << 20)},
		{"StageSize", s.StageSize, byteSize(2 << 30)},
		{"UID", s.UID, uint32(1001)},
		{"GID", s.GID, uint32(1002)},
		{"Umask", s.Umask, modeBits(0o027)},
		{"Private", strings.Join(s.Private, " "), "*.bak !*.part"},
		{"Notices", s.Notices, false},
		{"Inhibit", s.Inhibit, false},
		{"Bookmark", s.Bookmark, true},
		{"Metered", s.Metered, true},
		{"Verbose", s.Verbose, true},
	} {
		if tt.got != tt.want {
			t.Errorf("%s = %v, want %v", tt.name, tt.got, tt.want)
		}
	}
	s, err = CommandLine{Exchange: "other"}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if s.Bucket != "other-exchange" || s.Memory != Defaults().Memory ||
		!slices.Equal(s.Folders, Defaults().Folders) {
		t.Errorf("exchange other = %+v, want its bucket and the defaults", s)
	}
}

// TestLayers says the same setting in several places; the nearer one counts.
func TestLayers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		env    string // S3SHARE_MEMORY
		option string
		flag   string
		want   byteSize
	}{
		{"config", "", "", "", 1 << 20},
		{"environment", "2M", "", "", 2 << 20},
		{"option", "2M", "memory=3M", "", 3 << 20},
		{"flag", "2M", "memory=3M", "4M", 4 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inHome(t, teamConfig)
			t.Setenv("S3SHARE_MEMORY", tt.env)
			flags := pflag.NewFlagSet("mount", pflag.ContinueOnError)
			c := CommandLine{Flags: AddFlags(flags), options: []string{tt.option}}
			if tt.flag != "" {
				if err := flags.Parse([]string{"--memory", tt.flag}); err != nil {
					t.Fatal(err)
				}
			}
			s, err := c.Resolve()
			if err != nil {
				t.Fatal(err)
			}
			if s.Memory != tt.want {
				t.Errorf("Memory = %d, want %d", s.Memory, tt.want)
			}
		})
	}
}

func TestFolders(t *testing.T) {
	for _, tt := range []struct {
		name  string
		env   string
		flags []string
		want  string
	}{
		{"config", "", nil, "In Out"},
		{"environment", "A,B C", nil, "A|B C"},
		{"flags", "A,B", []string{"C,D", "E"}, "C,D|E"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inHome(t, teamConfig)
			t.Setenv("S3SHARE_FOLDER", tt.env)
			s, err := CommandLine{Flags: Layer{FolderSetting: tt.flags}}.Resolve()
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Split(tt.want, "|")
			if tt.name == "config" {
				want = strings.Fields(tt.want)
			}
			if !slices.Equal(s.Folders, want) {
				t.Errorf("Folders = %q, want %q", s.Folders, want)
			}
		})
	}
}

// TestBucketNeedsNoConfig names a bucket where there is a config file for another.
func TestBucketNeedsNoConfig(t *testing.T) {
	inHome(t, "this is no TOML")
	s, err := CommandLine{Flags: Layer{"bucket": {"b"}}}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if s.Bucket != "b" || s.Exchange != "" {
		t.Errorf("settings = %+v, want those of bucket b alone", s)
	}
}

// TestSwitchNeedsNoValue names each setting that is true or false as an option alone.
func TestSwitchNeedsNoValue(t *testing.T) {
	for _, st := range settingTable {
		option := strings.ReplaceAll(st.name, "-", "_")
		l, _, err := readOptions([]string{option})
		if st.isSwitch() && (err != nil || !slices.Equal(l[st.name], []string{"true"})) {
			t.Errorf("-o %s sets %q, and %v; want true", option, l[st.name], err)
		}
		if !st.isSwitch() && err == nil && l[st.name] != nil {
			t.Errorf("-o %s sets %q, want it refused, since it lacks its value", option, l[st.name])
		}
	}
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		lists []string
		check func(*Settings) bool
	}{
		{[]string{"ro"}, func(s *Settings) bool { return s.ReadOnly }},
		{[]string{"ro,rw"}, func(s *Settings) bool { return !s.ReadOnly }},
		{[]string{"ro", "sync"}, func(s *Settings) bool { return s.ReadOnly && s.Sync }},
		{[]string{"sync,async"}, func(s *Settings) bool { return !s.Sync }},
		{[]string{"verbose,bookmark,pause_on_metered,requester-pays"}, func(s *Settings) bool {
			return s.Verbose && s.Bookmark && s.Metered && s.Payer
		}},
		{[]string{"notices=false,arrivals=false,inhibit=false", "notices,inhibit"},
			func(s *Settings) bool {
				return s.Notices && s.Inhibit && !s.Arrivals
			}},
		{[]string{"read_only,sync=true,sync=false"}, func(s *Settings) bool { return s.ReadOnly && !s.Sync }},
		{[]string{"allow_other,uid=5,gid=6,umask=077"}, func(s *Settings) bool {
			return s.AllowOther && s.UID == 5 && s.GID == 6 && s.Umask == 0o077
		}},
		{[]string{"profile=p,region=r,endpoint=https://e,owner,owner=1"}, func(s *Settings) bool {
			return s.Profile == "p" && s.Region == "r" &&
				s.Endpoint == "https://e" && s.Owner == "1"
		}},
		{[]string{"endpoint_url=https://e,cache_size=1K"}, func(s *Settings) bool { return s.Endpoint == "https://e" && s.CacheSize == 1024 }},
		{[]string{"_netdev,nofail,noauto,user,x-systemd.automount,x-gvfs-show,,nosuid,noatime"}, func(s *Settings) bool { return !s.ReadOnly }},
	} {
		l, kernel, err := readOptions(tt.lists)
		s := Defaults()
		if err == nil {
			err = l.Over(s)
		}
		if err != nil || !tt.check(s) || len(kernel) != 0 {
			t.Errorf("readOptions(%q) gives %+v, kernel options %q and %v",
				tt.lists, s, kernel, err)
		}
	}
	if _, kernel, err := readOptions([]string{"noexec"}); err != nil ||
		!slices.Equal(kernel, []string{"noexec"}) {
		t.Errorf("readOptions(noexec) hands %q to the kernel, and %v", kernel, err)
	}
	for _, bad := range []string{"nope", "ro=1", "uid", "uid=me", "umask=9", "allow_root", "suid",
		"dev", "x=1", "=", "memory=lots", "owner=", "owner=the owner", "thumbnails",
		"bookmark=", "bookmark=maybe", "async=true"} {
		if _, _, err := readOptions([]string{bad}); err == nil {
			t.Errorf("readOptions(%q) is not refused", bad)
		} else if code, _ := hint.ExitCode(err); code != hint.ExitUsage {
			t.Errorf("readOptions(%q) = %v with exit code %d, want %d",
				bad, err, code, hint.ExitUsage)
		}
	}
}

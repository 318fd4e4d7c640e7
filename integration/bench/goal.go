package main

// goal is what s3share is to reach in a workload: its time, in times of the best
// peer's in the same run. 0 is no goal.
type goal struct {
	fast, far float64
	noGets    bool // nothing may be fetched: it is all here
}

func (g goal) in(profile string) float64 {
	if profile == "far" {
		return g.far
	}
	return g.fast
}

// goals are by workload.
var goals = map[string]goal{
	"mount_ls":             {0.7, 0.7, false},
	"write_1g":             {0.65, 0.6, false},
	"write_1g_128k":        {0.65, 0.6, false},
	"write_4x256":          {0.65, 0.6, false},
	"write_1g_tls":         {0.65, 0.6, false},
	"read_1g":              {0.5, 0.5, false},
	"read_1g_128k":         {0.5, 0.5, false},
	"read_8x256":           {0.5, 0.5, false},
	"read_1g_tls":          {0.5, 0.5, false},
	"read_1g_warm":         {1, 1, true},
	"read_1g_128k_warm":    {1, 1, true},
	"read_8x256_warm":      {1, 1, true},
	"read_1g_remount":      {1, 1, true},
	"read_1g_128k_remount": {1, 1, true},
	"read_8x256_remount":   {1, 1, true},
	"ttfb_1g":              {1, 1, false},
	"rand_4k_1":            {0.8, 0.8, false},
	"rand_4k_16":           {0.8, 0.8, false},
	"rand_128k_1":          {0.8, 0.8, false},
	"rand_128k_16":         {0.8, 0.8, false},
	"create_1000":          {0.5, 0.6, false},
	"create_1000_p16":      {0.5, 0.6, false},
	"cp_tree":              {0.5, 0.6, false},
	"untar":                {0.5, 0.6, false},
	"git_clone":            {0.5, 0.6, false},
	"read_2000x16k":        {0.6, 0.08, false},
	"read_2000x16k_p16":    {0.6, 0.5, false},
	"tar_out":              {0.6, 0.12, false},
	"ls_10k":               {0.6, 0.6, false},
	"ls_100k":              {0.35, 0.45, false},
	"ls_10k_warm":          {1, 1, false},
	"ls_100k_warm":         {1, 1, false},
	"find_tree":            {0.7, 0.6, false},
	"stat_storm":           {0.5, 0.5, false},
	"rename_256m":          {1.2, 0.7, false},
	"append_1m_to_256m":    {1, 0.5, false},
	"overwrite_1m_of_256m": {1, 0.5, false},
	"rm_5000":              {0.5, 0.3, false},
}

// What else is to be reached.
const (
	goalReadCPU  = 0.6       // of the best peer's, a GiB read
	goalWriteCPU = 0.7       // the same, a GiB written
	goalPeakRSS  = 256 * mib // in any workload
	goalIdleRSS  = 30 * mib
	moreRequests = 1 // than the fewest of any peer
)

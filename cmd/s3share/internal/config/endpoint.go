package config

// Target is where requests go, for the sentences about them.
type Target struct{ Bucket, Region, Endpoint, Profile, Owner string }

// Where names the server for people.
func (t Target) Where() string {
	if t.Endpoint != "" {
		return t.Endpoint
	}
	return "S3"
}

package config

// Destination is where requests go, for the sentences about them.
type Destination struct{ Bucket, Region, Endpoint, Profile, Owner string }

// ServerName names the server for people.
func (t Destination) ServerName() string {
	if t.Endpoint != "" {
		return t.Endpoint
	}
	return "S3"
}

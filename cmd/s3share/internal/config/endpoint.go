package config

// Destination is where requests go, for the sentences about them.
type Destination struct {
	Bucket, Region, Endpoint, Profile, Owner string
	// FixedKeys is set if the credentials are keys in this process's environment.
	FixedKeys bool
	// Dir is where it is mounted, if this process is the mount's daemon.
	Dir string
}

// ServerName names the server for people.
func (t Destination) ServerName() string {
	if t.Endpoint != "" {
		return t.Endpoint
	}
	return "S3"
}

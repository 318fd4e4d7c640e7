module github.com/s3share/s3share/integration/bench

go 1.26.0

require (
	github.com/tidwall/btree v1.8.2
	golang.org/x/sys v0.49.0
	golang.org/x/time v0.16.0
)

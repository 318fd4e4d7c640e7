package outbox

import "github.com/s3share/s3share/cache/outbox/stage"

// Base reads the version that an item lies over.
type Base = stage.Base

package ratelimit

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Rate is how often something may be done; the zero Rate is no limit.
type Rate struct {
	PerSecond float64
	Burst     int // at once, after a while without
}

// ErrRate is what is wrong with a text that is no rate.
var ErrRate = errors.New("a rate is so many a second, as in 10 or 0.5, and perhaps so many at once, as in 10:40")

const (
	maxPerSecond = 1e6
	minPerSecond = 1e-4
	maxBurst     = 1_000_000
)

// UnmarshalText reads "10" (10 a second, as many at once), "0.5:20" (one in two
// seconds, 20 at once) or "" and "0" (no limit).
func (r *Rate) UnmarshalText(text []byte) error {
	*r = Rate{}
	if s := string(text); s == "" || s == "0" {
		return nil
	}
	perSecond, burst, hasBurst := strings.Cut(string(text), ":")
	n, err := strconv.ParseFloat(perSecond, 64)
	if err != nil || !(n >= minPerSecond && n <= maxPerSecond) {
		return ErrRate
	}
	at := int(math.Ceil(n))
	if hasBurst {
		if at, err = strconv.Atoi(burst); err != nil || at < 1 || at > maxBurst {
			return ErrRate
		}
	}
	*r = Rate{PerSecond: n, Burst: at}
	return nil
}

// String is the form that UnmarshalText reads.
func (r Rate) String() string {
	if r.unlimited() {
		return "0"
	}
	return fmt.Sprintf("%s:%d", strconv.FormatFloat(r.PerSecond, 'f', -1, 64), r.Burst)
}

func (r Rate) unlimited() bool { return r.PerSecond == 0 }

// pause is how long one takes to come back into the bucket.
func (r Rate) pause() time.Duration { return time.Duration(float64(time.Second) / r.PerSecond) }

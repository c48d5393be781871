package ratelimit

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Rate is how often something may happen. The zero Rate is unlimited.
type Rate struct {
	PerSecond float64
	Burst     int // the number that may happen at once after a pause
}

// ErrRate is the error for a text that is not a rate.
var ErrRate = errors.New("a rate is a number per second, such as 10 or 0.5, optionally with a burst, such as 10:40")

const (
	maxPerSecond = 1e6
	minPerSecond = 1e-4
	maxBurst     = 1_000_000
)

// UnmarshalText parses "10" (10 per second and a burst of 10), "0.5:20" (one in
// two seconds and a burst of 20), and "" or "0" (unlimited).
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

// String returns the form that UnmarshalText parses.
func (r Rate) String() string {
	if r.unlimited() {
		return "0"
	}
	return fmt.Sprintf("%s:%d", strconv.FormatFloat(r.PerSecond, 'f', -1, 64), r.Burst)
}

func (r Rate) unlimited() bool { return r.PerSecond == 0 }

// interval is the time in which one token comes back into a bucket.
func (r Rate) interval() time.Duration { return time.Duration(float64(time.Second) / r.PerSecond) }

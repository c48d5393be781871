package app

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"time"

	"im/domain"
	"im/internal/auth"
	"im/internal/ratelimit"
)

// The settings are flags and environment variables alike: --database-url is
// IM_DATABASE_URL. Errors name the variable.

// Services say where a node finds what it depends on.
type Services struct {
	DatabaseURL  string        `group:"Services" name:"database-url" default:"postgres://postgres@127.0.0.1:5432/im?sslmode=disable" help:"PostgreSQL. A database that does not exist is made along with the schema."`
	RedisURL     string        `group:"Services" name:"redis-url" default:"redis://127.0.0.1:6379/0" help:"Redis; with addr= parameters a cluster, with master_name= its sentinels."`
	AMQPURL      string        `group:"Services" name:"amqp-url" default:"amqp://guest:guest@127.0.0.1:5672/" help:"RabbitMQ."`
	Prefix       string        `group:"Services" default:"im" help:"Of all Redis keys and AMQP names; the same on all nodes."`
	Migrate      string        `group:"Services" enum:"auto,off" default:"auto" help:"Bring the schema up to date at the start (auto), or leave it to im migrate (off)."`
	StartTimeout time.Duration `group:"Services" default:"10s" help:"How long to wait for them at the start."`
}

// Tokens say which tokens are good.
type Tokens struct {
	Secret       string `group:"Tokens" name:"jwt-secret" help:"Of HS256 tokens, 32 bytes or more."`
	JWKSURL      string `group:"Tokens" name:"jwks-url" help:"JWK Set of RS256, ES256 and EdDSA tokens."`
	UserClaim    string `group:"Tokens" name:"jwt-user-claim" default:"sub" help:"The claim that is the user."`
	Issuer       string `group:"Tokens" name:"jwt-issuer" help:"What iss must be, if set."`
	Audience     string `group:"Tokens" name:"jwt-audience" help:"What aud must name, if set."`
	ServerIssuer string `group:"Tokens" name:"jwt-server-issuer" help:"Whose JWK Set tokens may be server tokens; by default only the secret makes these."`
}

// Rules are what a node allows. They should be the same on all nodes.
type Rules struct {
	SessionPolicy  string   `group:"Rules" enum:"multi,single" default:"multi" help:"Whether a newer session of a user replaces all others of the user (single), or only those of its device (multi)."`
	Conversations  string   `group:"Rules" enum:"open,server" default:"open" help:"Who creates conversations and adds members: every user (open), or only backends (server)."`
	AllowedOrigins []string `group:"Rules" help:"Origins of web pages that may connect, beside the node's own, as in https://app.example.com."`
	Limits         Limits   `embed:"" prefix:"limit-" group:"Limits"`
	MaxSessions    int      `group:"Limits" default:"0" help:"Sockets of this node, above which it answers 503; 0 is no end."`
	Rates          Rates    `embed:"" prefix:"rate-" group:"Limits on rates"`
	TrustedProxies []string `group:"Limits on rates" placeholder:"CIDR" help:"Proxies in front of the node, whose X-Forwarded-For says where requests come from, as in 10.0.0.0/8."`
}

// Rates are limits of this node, each as in 10 (a second) or 0.5:20 (one in two
// seconds, 20 at once); off by default, and never for backends.
type Rates struct {
	UserSends       ratelimit.Rate `placeholder:"RATE" help:"Messages and other changes of a user: so many a second, as in 10, or with so many at once, as in 10:40."`
	UserReads       ratelimit.Rate `placeholder:"RATE" help:"Pages, lists, syncs and read positions of a user."`
	UserSignals     ratelimit.Rate `placeholder:"RATE" help:"Acknowledgements, typing and pings of a user, by socket."`
	UserConnects    ratelimit.Rate `placeholder:"RATE" help:"Sessions that a user begins."`
	AddressSends    ratelimit.Rate `placeholder:"RATE" help:"Messages and other changes from an address (IPv6: a /64)."`
	AddressReads    ratelimit.Rate `placeholder:"RATE" help:"Pages, lists, syncs and read positions from an address."`
	AddressSignals  ratelimit.Rate `placeholder:"RATE" help:"Acknowledgements, typing and pings from an address, by socket."`
	AddressConnects ratelimit.Rate `placeholder:"RATE" help:"Sockets opened, and calls with a bad token, from an address."`
}

// rateLimiter returns the limiter of these rules, which check must have accepted.
func (r Rules) rateLimiter() *ratelimit.Limiter {
	o := ratelimit.Options{
		User: ratelimit.Rates{
			domain.RateConnect: r.Rates.UserConnects, domain.RateSend: r.Rates.UserSends,
			domain.RateRead: r.Rates.UserReads, domain.RateSignal: r.Rates.UserSignals,
		},
		Address: ratelimit.Rates{
			domain.RateConnect: r.Rates.AddressConnects, domain.RateSend: r.Rates.AddressSends,
			domain.RateRead: r.Rates.AddressReads, domain.RateSignal: r.Rates.AddressSignals,
		},
	}
	for _, cidr := range r.TrustedProxies {
		if prefix, err := parseProxy(cidr); err == nil {
			o.Proxies = append(o.Proxies, prefix)
		}
	}
	return ratelimit.New(o)
}

// parseProxy reads addresses in CIDR form, or a single one.
func parseProxy(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Prefix(a.BitLen())
	}
	prefix, err := netip.ParsePrefix(s)
	return prefix.Masked(), err
}

// Limits are domain.Limits, as settings.
type Limits struct {
	ContentBytes     int `default:"32768" help:"Of a message's content."`
	FrameBytes       int `default:"65536" help:"Of a frame from a client."`
	PageEvents       int `default:"1000" help:"Events of a page."`
	GroupMembers     int `default:"10000" help:"Members of a group."`
	MembersPerCall   int `default:"500" help:"Members added by one call."`
	RequestsInFlight int `default:"64" help:"Unanswered requests of a socket, or of a user over REST."`
	WatchUsers       int `default:"500" help:"Users whose presence a session follows."`
	SessionsPerUser  int `default:"32" help:"Live sessions of a user."`
	Pins             int `default:"100" help:"Pinned messages of a conversation."`
	TitleChars       int `default:"200" help:"Characters of a title."`
	NameChars        int `default:"200" help:"Characters of a name."`
	ReasonChars      int `default:"200" help:"Characters of a reason."`
	EmojiBytes       int `default:"64" help:"Bytes of an emoji."`
	MessageEmojis    int `default:"100" help:"Different emojis on a message."`
	MetadataBytes    int `default:"4096" help:"Bytes of metadata."`
	URLChars         int `name:"url-chars" default:"2048" help:"Characters of a URL."`
	SyncPage         int `name:"sync-conversations" default:"500" help:"Conversations of a page of a sync."`
	SyncTimeline     int `name:"sync-timeline" default:"50" help:"Events of each conversation in a sync."`
	ListPage         int `name:"list-items" default:"500" help:"Items of a page of any other list."`
}

// Log says what is logged and how.
type Log struct {
	Level  string `group:"Logging" name:"log-level" enum:"debug,info,warn,error" default:"${log_level}" help:"The least important that is logged; debug logs each request."`
	Format string `group:"Logging" name:"log-format" enum:"text,json" default:"text" help:"One line an entry, or one JSON object."`
}

// Logger returns the logger that l describes.
func (l Log) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.Level)) // the enum holds only what it reads
	options := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// verifier returns the verifier of tokens, or an error that names the setting. It
// calls verified with the identity of every valid token.
func (t Tokens) verifier(logger *slog.Logger, verified func(domain.Identity)) (*auth.Verifier, error) {
	return auth.New(auth.Options{
		Secret: t.Secret, JWKSURL: t.JWKSURL, UserClaim: t.UserClaim, Issuer: t.Issuer, Audience: t.Audience,
		ServerIssuer: t.ServerIssuer, Verified: verified, Logger: logger,
	})
}

// Sign returns a token that a node with these settings takes for good.
func (t Tokens) Sign(user domain.UserID, server bool, ttl time.Duration) (string, error) {
	if t.Secret == "" {
		return "", errors.New("IM_JWT_SECRET is required to sign a token")
	}
	return auth.Sign(t.Secret, user, auth.Grant{TTL: ttl, Server: server, UserClaim: t.UserClaim, Issuer: t.Issuer, Audience: t.Audience})
}

// check looks at values that no tag can describe.
func (r Rules) check() error {
	for _, origin := range r.AllowedOrigins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != origin {
			return fmt.Errorf("IM_ALLOWED_ORIGINS: %q is not an origin such as https://app.example.com", origin)
		}
	}
	for _, cidr := range r.TrustedProxies {
		if _, err := parseProxy(cidr); err != nil {
			return fmt.Errorf("IM_TRUSTED_PROXIES: %q is neither addresses such as 10.0.0.0/8 nor an address", cidr)
		}
	}
	if r.MaxSessions < 0 {
		return errors.New("IM_MAX_SESSIONS must not be below 0")
	}
	limits := reflect.ValueOf(domain.Limits(r.Limits))
	for i := range limits.NumField() {
		if limits.Field(i).Int() <= 0 {
			return fmt.Errorf("the limit %s must be above 0", limits.Type().Field(i).Tag.Get("json"))
		}
	}
	return nil
}

// isName tells whether s is what Redis keys and AMQP names hold without quoting.
func isName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}

// checkNames refuses what would not do as a part of Redis keys and AMQP names.
func checkNames(prefix, node string) error {
	for setting, value := range map[string]string{"IM_PREFIX": prefix, "IM_NODE_NAME": node} {
		if !isName(value) || len(value) > 64 {
			return fmt.Errorf("%s must be 1 to 64 ASCII letters, digits or . _ -", setting)
		}
	}
	return nil
}

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

	"github.com/alecthomas/kong"

	"im/domain"
	"im/internal/auth"
	"im/internal/ratelimit"
)

// Each setting is a flag and an environment variable: --database-url is
// IM_DATABASE_URL. Errors name the variable.

// Services are the addresses of the services that a node depends on.
type Services struct {
	DatabaseURL  string        `group:"Services" name:"database-url" default:"${default_database_url}" help:"URL of PostgreSQL. A missing database is created."`
	RedisURL     string        `group:"Services" name:"redis-url" default:"${default_redis_url}" help:"URL of Redis. With addr= parameters it names a cluster, with master_name= the sentinels of one."`
	AMQPURL      string        `group:"Services" name:"amqp-url" default:"${default_amqp_url}" help:"URL of RabbitMQ."`
	Prefix       string        `group:"Services" default:"im" help:"Prefix of all Redis keys and AMQP names. It must be the same on all nodes."`
	Migrate      string        `group:"Services" enum:"auto,off" default:"auto" help:"Migrate the schema at the start (auto), or leave that to im migrate (off)."`
	StartTimeout time.Duration `group:"Services" default:"10s" help:"How long to wait for the services at the start."`
}

// Signing is how HS256 tokens are signed. Commands that sign tokens share it with
// the nodes that verify them.
type Signing struct {
	Secret    string `group:"Tokens" name:"jwt-secret" help:"Secret that signs and verifies HS256 tokens. It must have at least 32 bytes."`
	UserClaim string `group:"Tokens" name:"jwt-user-claim" default:"sub" help:"Claim of a token that holds the user id."`
	Issuer    string `group:"Tokens" name:"jwt-issuer" help:"Required issuer (claim iss) of tokens. If empty, every issuer is accepted."`
	Audience  string `group:"Tokens" name:"jwt-audience" help:"Required audience (claim aud) of tokens. If empty, every audience is accepted."`
}

// Sign returns a token of user that is valid for ttl. A server token acts for
// every user.
func (s Signing) Sign(user domain.UserID, server bool, ttl time.Duration) (string, error) {
	if s.Secret == "" {
		return "", errors.New("IM_JWT_SECRET is required to sign a token")
	}
	return auth.Sign(s.Secret, user, auth.Grant{TTL: ttl, Server: server, UserClaim: s.UserClaim, Issuer: s.Issuer, Audience: s.Audience})
}

// Tokens say which tokens a node accepts.
type Tokens struct {
	Signing

	JWKSURL      string `group:"Tokens" name:"jwks-url" help:"URL of the JWK Set whose keys verify RS256, ES256 and EdDSA tokens. im serve requires it or --jwt-secret, or both."`
	ServerIssuer string `group:"Tokens" name:"jwt-server-issuer" help:"Issuer whose tokens, verified by the JWK Set, may be server tokens. By default only tokens signed with the secret may be."`
}

// verifier returns the verifier of tokens. It calls verified with the identity of
// every valid token.
func (t Tokens) verifier(logger *slog.Logger, verified func(domain.Identity)) (*auth.Verifier, error) {
	return auth.New(auth.Options{
		Secret: t.Secret, JWKSURL: t.JWKSURL, UserClaim: t.UserClaim, Issuer: t.Issuer, Audience: t.Audience,
		ServerIssuer: t.ServerIssuer, Verified: verified, Logger: logger,
	})
}

// Rules are what a node permits. They should be the same on all nodes.
type Rules struct {
	SessionPolicy  string   `group:"Rules" enum:"multi,single" default:"multi" help:"Sessions that a new session of a user replaces: those of the same device (multi), or all of the user (single)."`
	Conversations  string   `group:"Rules" enum:"open,server" default:"open" help:"Who may create conversations and add members: every user (open), or only backends (server)."`
	AllowedOrigins []string `group:"Rules" help:"Origins of web pages that may connect, such as https://app.example.com. The node's own origin is always allowed."`
	Limits         Limits   `embed:"" prefix:"limit-" group:"Limits"`
	MaxSessions    int      `group:"Limits" default:"0" help:"Most sockets of this node. It refuses more with status 503. 0 means no limit."`
	Rates          Rates    `embed:"" prefix:"rate-" group:"Rate limits"`
	TrustedProxies []string `group:"Rate limits" placeholder:"CIDR" help:"Proxies in front of the node, such as 10.0.0.0/8. Their X-Forwarded-For names the address of the client."`
}

// Rates are the rate limits of this node, for each user and for each address. A
// rate is events a second, such as 10, or events a second and the size of a burst,
// such as 0.5:20. An empty one does not limit. Backends are never limited.
type Rates struct {
	UserSends       ratelimit.Rate `placeholder:"RATE" help:"Messages and other changes of a user: events a second, such as 10, or with the size of a burst, such as 10:40."`
	UserReads       ratelimit.Rate `placeholder:"RATE" help:"Pages, lists, syncs and read positions of a user."`
	UserSignals     ratelimit.Rate `placeholder:"RATE" help:"Acknowledgements, typing signals and pings of a user over WebSocket."`
	UserConnects    ratelimit.Rate `placeholder:"RATE" help:"New sessions of a user."`
	AddressSends    ratelimit.Rate `placeholder:"RATE" help:"Messages and other changes from an address. An IPv6 /64 counts as one address."`
	AddressReads    ratelimit.Rate `placeholder:"RATE" help:"Pages, lists, syncs and read positions from an address."`
	AddressSignals  ratelimit.Rate `placeholder:"RATE" help:"Acknowledgements, typing signals and pings from an address over WebSocket."`
	AddressConnects ratelimit.Rate `placeholder:"RATE" help:"New sockets, and calls with an invalid token, from an address."`
}

// Limits are domain.Limits as settings. Defaults has their values.
type Limits struct {
	ContentBytes     int `default:"${limit_content_bytes}" help:"Most bytes of the content of a message."`
	FrameBytes       int `default:"${limit_frame_bytes}" help:"Most bytes of a frame from a client."`
	PageEvents       int `default:"${limit_page_events}" help:"Most events in a page."`
	GroupMembers     int `default:"${limit_group_members}" help:"Most members of a group."`
	MembersPerCall   int `default:"${limit_members_per_call}" help:"Most members that one call adds."`
	RequestsInFlight int `default:"${limit_requests_in_flight}" help:"Most unanswered requests of a socket, or of a user over REST."`
	WatchUsers       int `default:"${limit_watch_users}" help:"Most users whose presence a session watches."`
	SessionsPerUser  int `default:"${limit_sessions_per_user}" help:"Most live sessions of a user."`
	Pins             int `default:"${limit_pins}" help:"Most pinned messages in a conversation."`
	TitleChars       int `default:"${limit_title_chars}" help:"Most characters of a title."`
	NameChars        int `default:"${limit_name_chars}" help:"Most characters of a name."`
	ReasonChars      int `default:"${limit_reason_chars}" help:"Most characters of a reason."`
	EmojiBytes       int `default:"${limit_emoji_bytes}" help:"Most bytes of an emoji."`
	MessageEmojis    int `default:"${limit_message_emojis}" help:"Most different emojis on a message."`
	MetadataBytes    int `default:"${limit_metadata_bytes}" help:"Most bytes of metadata."`
	URLChars         int `name:"url-chars" default:"${limit_url_chars}" help:"Most characters of a URL."`
	SyncPage         int `name:"sync-conversations" default:"${limit_sync_conversations}" help:"Most conversations in a page of a sync."`
	SyncTimeline     int `name:"sync-timeline" default:"${limit_sync_timeline}" help:"Most events of each conversation in a sync."`
	ListPage         int `name:"list-items" default:"${limit_list_items}" help:"Most items in a page of any other list."`
}

// DefaultDatabaseURL is the default of Services.DatabaseURL.
const DefaultDatabaseURL = "postgres://postgres@127.0.0.1:5432/im?sslmode=disable"

// Defaults returns the variables that the tags of settings name, such as the limits of
// domain.DefaultLimits. A parser of Services or Rules needs them. Other commands can use
// those of the services.
func Defaults() kong.Vars {
	vars := kong.Vars{ //nolint:gosec // guest is the public default of RabbitMQ
		"default_database_url": DefaultDatabaseURL,
		"default_redis_url":    "redis://127.0.0.1:6379/0",
		"default_amqp_url":     "amqp://guest:guest@127.0.0.1:5672/",
	}
	for name, value := range byName(domain.DefaultLimits()) {
		vars["limit_"+name] = fmt.Sprint(value)
	}
	return vars
}

// byName returns the limits by their names in JSON.
func byName(limits domain.Limits) map[string]int64 {
	fields, named := reflect.ValueOf(limits), map[string]int64{}
	for i := range fields.NumField() {
		named[fields.Type().Field(i).Tag.Get("json")] = fields.Field(i).Int()
	}
	return named
}

// Log is what is logged and how.
type Log struct {
	Level  string `group:"Logging" name:"log-level" enum:"debug,info,warn,error" default:"${log_level}" help:"Lowest level that is logged: debug, info, warn or error. At debug each request is logged."`
	Format string `group:"Logging" name:"log-format" enum:"text,json" default:"text" help:"Format of a log entry: a line of text (text), or a JSON object (json)."`
}

// Logger returns the logger that l describes.
func (l Log) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.Level)) // the enum of the flag admits valid levels only
	options := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// limiter returns the rate limiter of these rules, which check must have accepted.
func (r Rules) limiter() *ratelimit.Limiter {
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

// parseProxy parses a range of addresses in CIDR form, or a single address.
func parseProxy(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Prefix(a.BitLen())
	}
	prefix, err := netip.ParsePrefix(s)
	return prefix.Masked(), err
}

// check validates what no tag can describe.
func (r Rules) check() error {
	for _, origin := range r.AllowedOrigins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != origin {
			return fmt.Errorf("IM_ALLOWED_ORIGINS: %q is not an origin such as https://app.example.com", origin)
		}
	}
	for _, cidr := range r.TrustedProxies {
		if _, err := parseProxy(cidr); err != nil {
			return fmt.Errorf("IM_TRUSTED_PROXIES: %q is neither a range such as 10.0.0.0/8 nor an address", cidr)
		}
	}
	if r.MaxSessions < 0 {
		return errors.New("IM_MAX_SESSIONS must not be negative")
	}
	for name, value := range byName(domain.Limits(r.Limits)) {
		if value <= 0 {
			return fmt.Errorf("IM_LIMIT_%s: the limit %s must be above 0", strings.ToUpper(name), name)
		}
	}
	return nil
}

// isName reports whether Redis keys and AMQP names can hold s without quoting.
func isName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}

// checkNames validates the parts of Redis keys and AMQP names that are settings.
func checkNames(prefix, node string) error {
	for setting, value := range map[string]string{"IM_PREFIX": prefix, "IM_NODE_NAME": node} {
		if !isName(value) || len(value) > 64 {
			return fmt.Errorf("%s must be 1 to 64 ASCII letters, digits or . _ -", setting)
		}
	}
	return nil
}

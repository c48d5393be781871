package app

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"

	"im/attachment"
	"im/domain"
	"im/internal/auth"
	"im/internal/edge"
	"im/internal/forwarded"
	"im/internal/ratelimit"
	"im/webhook"
)

// Each setting is a flag and an environment variable: --database-url is
// IM_DATABASE_URL. Errors name the variable.

// Services are the addresses of the services that a node depends on.
type Services struct {
	DatabaseURL         string        `group:"Services" name:"database-url" default:"${default_database_url}" help:"URL of PostgreSQL, or of a connection pooler before it."`
	DatabaseDirectURL   string        `group:"Services" name:"database-direct-url" help:"URL of PostgreSQL itself, for migrations, if --database-url is that of a connection pooler."`
	DatabasePassword    string        `group:"Services" secret:"" help:"Password for PostgreSQL. It replaces the one in the URL, and needs no escaping. Direct and replica URLs without a password have it, too."`
	DatabaseConnections int           `group:"Services" name:"database-connections" placeholder:"10" help:"Most connections of this node to PostgreSQL. By default pool_max_conns of the URL, or 10. Migrations and the sweep use one more for a short time."`
	DatabaseReplicaURL  string        `group:"Services" name:"database-replica-url" help:"URL of standbys of PostgreSQL, which REST reads history from and searches. Reads never miss what was committed before them: the primary answers while a standby is behind or away."`
	ReplicaConnections  int           `group:"Services" name:"database-replica-connections" placeholder:"10" help:"Most connections of this node to standbys. By default pool_max_conns of their URL, or 10."`
	RedisURL            string        `group:"Services" name:"redis-url" default:"${default_redis_url}" help:"URL of Redis: redis://, rediss:// (TLS) or unix://. A Redis Cluster is recognized; with master_name= the URL names Sentinels."`
	RedisPassword       string        `group:"Services" secret:"" help:"Password for Redis. It replaces the one in the URL, and needs no escaping."`
	AMQPURL             string        `group:"Services" name:"amqp-url" default:"${default_amqp_url}" help:"URL of RabbitMQ: amqp:// or amqps:// (TLS). It may name several hosts, with commas between them."`
	AMQPPassword        string        `group:"Services" name:"amqp-password" secret:"" help:"Password for RabbitMQ. It replaces the one in the URL, and needs no escaping."`
	Prefix              string        `group:"Services" default:"im" help:"Prefix of all Redis keys and AMQP names. It must be the same on all nodes, and another one for nodes with another database."`
	CreateDatabase      bool          `group:"Services" help:"Create the database at the start if it does not exist. The role needs the right to do so."`
	Migrate             string        `group:"Services" enum:"auto,off" default:"auto" help:"Migrate the schema at the start (auto), or leave that to im migrate (off)."`
	StartTimeout        time.Duration `group:"Services" default:"10s" help:"How long to wait for the services at the start. Migrations do not count."`
	MigrateTimeout      time.Duration `group:"Services" default:"0s" help:"How long the migrations at the start may take, with waiting for other nodes and for locks. 0 means no limit."`
}

// AfterApply puts the passwords into the URLs. The parser of the command line calls it.
func (s *Services) AfterApply() (err error) {
	if err := errors.Join(checkEscaped("IM_REDIS", s.RedisURL), checkEscaped("IM_AMQP", s.AMQPURL)); err != nil {
		return err
	}
	s.RedisURL, s.RedisPassword = withPassword(s.RedisURL, s.RedisPassword), ""
	s.AMQPURL, s.AMQPPassword = withPassword(s.AMQPURL, s.AMQPPassword), ""
	if s.DatabaseURL, err = DatabaseURL(s.DatabaseURL, s.DatabasePassword); err != nil {
		return err
	}
	if s.DatabaseDirectURL, err = DirectURL(s.DatabaseDirectURL, s.DatabasePassword); err != nil {
		return err
	}
	s.DatabaseReplicaURL, err = DirectURL(s.DatabaseReplicaURL, s.DatabasePassword)
	s.DatabasePassword = ""
	return err
}

// migrationURL returns the URL for migrations and the name of its setting.
func (s Services) migrationURL() (url, setting string) {
	if s.DatabaseDirectURL != "" {
		return s.DatabaseDirectURL, "IM_DATABASE_DIRECT_URL"
	}
	return s.DatabaseURL, "IM_DATABASE_URL"
}

// Signing is how HS256 tokens are signed. Commands that sign tokens share it with
// the nodes that verify them.
type Signing struct {
	Secret    string   `group:"Tokens" name:"jwt-secret" secret:"" help:"Secret that signs and verifies HS256 tokens. It must have at least 32 bytes."`
	UserClaim string   `group:"Tokens" name:"jwt-user-claim" default:"sub" help:"Claim of a token that holds the user id."`
	Issuers   []string `group:"Tokens" name:"jwt-issuer" help:"Issuers of tokens: the claim iss must be one of them. If empty, every issuer is accepted."`
	Audiences []string `group:"Tokens" name:"jwt-audience" help:"Audiences of tokens: the claim aud must have one of them. If empty, every audience is accepted."`
}

// Sign returns a token of user that is valid for ttl, with the first issuer and
// audience. A server token acts for every user.
func (s Signing) Sign(user domain.UserID, server bool, ttl time.Duration) (string, error) {
	if s.Secret == "" {
		return "", errors.New("IM_JWT_SECRET is required to sign a token")
	}
	return auth.Sign(s.Secret, user, auth.Grant{
		TTL: ttl, Server: server, UserClaim: s.UserClaim, Issuer: firstOf(s.Issuers), Audience: firstOf(s.Audiences),
	})
}

// firstOf returns the first element of a list that is not blank; "" if there is none.
func firstOf(list []string) string {
	for _, text := range list {
		if text = strings.TrimSpace(text); text != "" {
			return text
		}
	}
	return ""
}

// Tokens say which tokens a node accepts.
type Tokens struct {
	Signing

	JWKSURLs     []string `group:"Tokens" name:"jwks-url" help:"URLs of the JWK Sets whose keys verify RS256, ES256 and EdDSA tokens. im serve requires one or --jwt-secret, or both."`
	JWKSCAFile   string   `group:"Tokens" name:"jwks-ca-file" placeholder:"FILE" help:"PEM file of the authorities whose certificates the JWKS URLs may have. By default those of the system."`
	ServerIssuer string   `group:"Tokens" name:"jwt-server-issuer" help:"Issuer whose tokens, verified by the JWK Set, may be server tokens. By default only tokens signed with the secret may be."`
}

// verifier returns the verifier of tokens. It calls verified with the identity of
// every valid token.
func (t Tokens) verifier(logger *slog.Logger, verified func(domain.Identity)) (*auth.Verifier, error) {
	roots, err := t.roots()
	if err != nil {
		return nil, fmt.Errorf("IM_JWKS_CA_FILE: %w", err)
	}
	return auth.New(auth.Options{
		Secret: t.Secret, JWKSURLs: t.JWKSURLs, JWKSRoots: roots, UserClaim: t.UserClaim, Issuers: t.Issuers, Audiences: t.Audiences,
		ServerIssuer: t.ServerIssuer, Verified: verified, Logger: logger,
	})
}

// roots reads JWKSCAFile. It returns nil if there is none.
func (t Tokens) roots() (*x509.CertPool, error) {
	if t.JWKSCAFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(t.JWKSCAFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate in PEM form", t.JWKSCAFile)
	}
	return roots, nil
}

// Rules are what a node permits. They should be the same on all nodes.
type Rules struct {
	SessionPolicy  string      `group:"Rules" enum:"multi,single" default:"multi" help:"Sessions that a new session of a user replaces: those of the same device (multi), or all of the user (single)."`
	Conversations  string      `group:"Rules" enum:"open,server" default:"open" help:"Who may create conversations and add members: every user (open), or only backends (server)."`
	AllowedOrigins []string    `group:"Rules" help:"Origins of web pages that may connect, such as https://app.example.com or https://*.example.com. The node's own origin is always allowed."`
	Reports        Reports     `embed:"" prefix:"report-" group:"Rules"`
	Webhooks       Webhooks    `embed:"" prefix:"webhook-" group:"Webhooks"`
	Events         Events      `embed:"" prefix:"events-" group:"Event stream"`
	Hook           Hook        `embed:"" prefix:"hook-" group:"Hook"`
	Push           Push        `embed:"" prefix:"push-" group:"Push"`
	Attachments    Attachments `embed:"" group:"Attachments"`
	Limits         Limits      `embed:"" prefix:"limit-" group:"Limits"`
	MaxSessions    int         `group:"Limits" default:"0" help:"Most sockets of this node. It refuses more with status 503. 0 means no limit."`
	Rates          Rates       `embed:"" prefix:"rate-" group:"Rate limits"`
	TrustedProxies []string    `group:"Proxies" placeholder:"CIDR" help:"Proxies in front of the node, such as 10.0.0.0/8. Their headers Forwarded and X-Forwarded-… name the client and the host that it asked for."`
}

// Reports say how reports of messages are kept.
type Reports struct {
	Retention time.Duration `default:"2160h" help:"How long reports of messages are kept, with the content of the messages, though these are recalled."`
}

// Webhooks say how webhooks are called.
type Webhooks struct {
	Allow   []string        `placeholder:"CIDR" help:"Addresses and networks that webhooks may call though they are not public, such as 10.0.0.0/8."`
	Retries []time.Duration `default:"5s,5m,30m,2h,5h,10h,14h,20h,24h" help:"Times from each failed call of a webhook to the next one. After the last one the event is given up."`
}

// Attachments say where files of messages are kept. They must be the same on all nodes.
type Attachments struct {
	Storage   string        `name:"attachments" placeholder:"URL" help:"Where files of messages are kept: file:///FOLDER, which all nodes share, or s3://BUCKET?endpoint=https://HOST&region=REGION. Empty: nowhere; users cannot upload."`
	URL       string        `name:"attachments-url" placeholder:"https://HOST/" help:"Address of the nodes for files of a folder, at an origin of its own. By default the address of the node. A bucket has an origin of its own anyway."`
	AccessKey string        `name:"attachments-access-key" help:"Access key of the bucket. By default that of the environment of AWS, of its files, or of the machine."`
	SecretKey string        `name:"attachments-secret-key" secret:"" help:"Secret key of the bucket."`
	Orphans   time.Duration `name:"attachments-orphans" default:"24h" help:"How long an upload is kept that no message names."`
}

// check validates what no tag can describe.
func (a Attachments) check() error {
	var errs []error
	if err := attachment.Parse(a.Storage); err != nil {
		errs = append(errs, fmt.Errorf("IM_ATTACHMENTS: %w", err))
	}
	if _, err := a.base(); err != nil {
		errs = append(errs, fmt.Errorf("IM_ATTACHMENTS_URL: %w", err))
	}
	if (a.AccessKey == "") != (a.SecretKey == "") {
		errs = append(errs, errors.New("IM_ATTACHMENTS_ACCESS_KEY and IM_ATTACHMENTS_SECRET_KEY belong together: set both or none"))
	}
	if a.Orphans <= 0 {
		errs = append(errs, errors.New("IM_ATTACHMENTS_ORPHANS must be above 0"))
	}
	return errors.Join(errs...)
}

// base returns URL; nil if it is not set.
func (a Attachments) base() (*url.URL, error) {
	if a.URL == "" {
		return nil, nil
	}
	return Edge{PublicURL: a.URL}.publicURL()
}

// check validates what no tag can describe.
func (w Webhooks) check() error {
	_, err := w.allowed()
	for _, d := range w.Retries {
		if d <= 0 || d > maxRetry {
			return errors.Join(err, errors.New("IM_WEBHOOK_RETRIES: each time must be above 0 and at most 168h"))
		}
	}
	return err
}

// maxRetry is the longest time between two calls.
const maxRetry = 7 * 24 * time.Hour

func (w Webhooks) allowed() ([]netip.Prefix, error) {
	allowed, err := webhook.ParseAllowed(w.Allow)
	if err != nil {
		return nil, fmt.Errorf("IM_WEBHOOK_ALLOW: %w", err)
	}
	return allowed, nil
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
	ContentBytes      int `default:"${limit_content_bytes}" help:"Most bytes of the content of a message."`
	FrameBytes        int `default:"${limit_frame_bytes}" help:"Most bytes of a frame from a client."`
	PageEvents        int `default:"${limit_page_events}" help:"Most events in a page."`
	GroupMembers      int `default:"${limit_group_members}" help:"Most members of a group."`
	MembersPerCall    int `default:"${limit_members_per_call}" help:"Most members that one call adds."`
	RequestsInFlight  int `default:"${limit_requests_in_flight}" help:"Most unanswered requests of a socket, or of a user over REST."`
	WatchUsers        int `default:"${limit_watch_users}" help:"Most users whose presence a session watches."`
	SessionsPerUser   int `default:"${limit_sessions_per_user}" help:"Most live sessions of a user."`
	Pins              int `default:"${limit_pins}" help:"Most pinned messages in a conversation."`
	Bans              int `default:"${limit_bans}" help:"Most banned users of a conversation."`
	Mutes             int `default:"${limit_mutes}" help:"Most muted users of a conversation."`
	TitleChars        int `default:"${limit_title_chars}" help:"Most characters of a title."`
	NameChars         int `default:"${limit_name_chars}" help:"Most characters of a name."`
	ReasonChars       int `default:"${limit_reason_chars}" help:"Most characters of a reason."`
	ReportChars       int `default:"${limit_report_chars}" help:"Most characters of the text of a report."`
	EmojiBytes        int `default:"${limit_emoji_bytes}" help:"Most bytes of an emoji."`
	MessageEmojis     int `default:"${limit_message_emojis}" help:"Most different emojis on a message."`
	MetadataBytes     int `default:"${limit_metadata_bytes}" help:"Most bytes of metadata."`
	URLChars          int `name:"url-chars" default:"${limit_url_chars}" help:"Most characters of a URL."`
	AttachmentBytes   int `default:"${limit_attachment_bytes}" help:"Most bytes of the file of an attachment."`
	AttachmentsPerDay int `default:"${limit_attachments_per_day}" help:"Most attachments that a user begins on a day of UTC."`
	SyncPage          int `name:"sync-conversations" default:"${limit_sync_conversations}" help:"Most conversations in a page of a sync."`
	SyncTimeline      int `name:"sync-timeline" default:"${limit_sync_timeline}" help:"Most events of each conversation in a sync."`
	ListPage          int `name:"list-items" default:"${limit_list_items}" help:"Most items in a page of any other list."`
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

// Logger returns the logger that l describes. Its entries carry the ids of requests and
// sessions.
func (l Log) Logger(w io.Writer) *slog.Logger {
	logger, _ := l.Variable(w)
	return logger
}

// Variable returns the logger that l describes, and its level, which may be changed.
func (l Log) Variable(w io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := &slog.LevelVar{}
	_ = level.UnmarshalText([]byte(l.Level)) // the enum of the flag admits valid levels only
	options := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(edge.LogHandler(slog.NewJSONHandler(w, options))), level
	}
	return slog.New(edge.LogHandler(slog.NewTextHandler(w, options))), level
}

// limiter returns the rate limiter of these rules, which check must have accepted.
func (r Rules) limiter(metrics prometheus.Registerer) *ratelimit.Limiter {
	o := ratelimit.Options{
		Metrics: metrics,
		User: ratelimit.Rates{
			domain.RateConnect: r.Rates.UserConnects, domain.RateSend: r.Rates.UserSends,
			domain.RateRead: r.Rates.UserReads, domain.RateSignal: r.Rates.UserSignals,
		},
		Address: ratelimit.Rates{
			domain.RateConnect: r.Rates.AddressConnects, domain.RateSend: r.Rates.AddressSends,
			domain.RateRead: r.Rates.AddressReads, domain.RateSignal: r.Rates.AddressSignals,
		},
	}
	o.Proxies, _ = r.proxies()
	return ratelimit.New(o)
}

// proxies returns the trusted proxies.
func (r Rules) proxies() (forwarded.Proxies, error) {
	p, err := forwarded.ParseProxies(r.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("IM_TRUSTED_PROXIES: %w", err)
	}
	return p, nil
}

// check validates what no tag can describe.
func (r Rules) check() error {
	_, err := r.proxies()
	errs := []error{err, r.Webhooks.check(), r.Events.check(), r.Hook.check(), r.Push.check(), r.Attachments.check()}
	if r.MaxSessions < 0 {
		errs = append(errs, errors.New("IM_MAX_SESSIONS must not be negative"))
	}
	if r.Reports.Retention < 0 {
		errs = append(errs, errors.New("IM_REPORT_RETENTION must not be negative"))
	}
	limits := byName(domain.Limits(r.Limits))
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		if limits[name] <= 0 {
			errs = append(errs, fmt.Errorf("IM_LIMIT_%s: the limit %s must be above 0", strings.ToUpper(name), name))
		}
	}
	return errors.Join(errs...)
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

package pg

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

const base = "postgres://u:pass-word@h1:5432/db?sslmode=disable"

// What a URL may say is honoured.
func TestParseURL(t *testing.T) {
	t.Parallel()
	parse := func(parameters string) *Config {
		c, err := ParseURL(base+parameters, "im/node1")
		require.NoError(t, err, parameters)
		return c
	}
	setting := func(c *Config, name string, pooled bool) string {
		names, values := c.sessionValues(pooled)
		for i := range names {
			if names[i] == name {
				return values[i]
			}
		}
		return "missing"
	}
	plain := parse("")
	// A pooler accepts these in the startup packet, and no others.
	require.Equal(t, map[string]string{"application_name": "im/node1", "client_encoding": "UTF8", "standard_conforming_strings": "on"},
		plain.pool.ConnConfig.RuntimeParams)
	require.Equal(t, 1500*time.Millisecond, plain.pool.ConnConfig.ConnectTimeout)
	require.Equal(t, "public", plain.Schema())
	require.Zero(t, plain.Connections)
	require.Equal(t, "5s", setting(plain, "statement_timeout", true))
	require.Equal(t, "0", setting(plain, "statement_timeout", false), "work outside the pool has no timeout")

	require.Equal(t, "mine", parse("&application_name=mine").pool.ConnConfig.RuntimeParams["application_name"])
	require.Equal(t, "other", parse("&fallback_application_name=other").pool.ConnConfig.RuntimeParams["application_name"])
	require.Equal(t, 7*time.Second, parse("&connect_timeout=7").pool.ConnConfig.ConnectTimeout)
	require.Equal(t, "30s", setting(parse("&statement_timeout=30s"), "statement_timeout", true))
	require.Equal(t, "0", setting(parse("&statement_timeout=30s"), "statement_timeout", false))
	require.Equal(t, "remote_apply", setting(parse("&synchronous_commit=remote_apply"), "synchronous_commit", true))
	require.Equal(t, "7MB", setting(parse("&work_mem=7MB"), "work_mem", true))
	require.Equal(t, "9", setting(parse("&tcp_keepalives_idle=9"), "tcp_keepalives_idle", true))
	pooled := parse("&pool_max_conns=7&pool_min_conns=3&pool_max_conn_lifetime=9m&pool_max_conn_idle_time=8m")
	require.Equal(t, 7, pooled.Connections)
	require.Equal(t, []any{int32(3), 9 * time.Minute, 8 * time.Minute, healthInterval},
		[]any{pooled.pool.MinConns, pooled.pool.MaxConnLifetime, pooled.pool.MaxConnIdleTime, pooled.pool.HealthCheckPeriod})
	require.Equal(t, pgx.QueryExecModeCacheDescribe, parse("&default_query_exec_mode=cache_describe").pool.ConnConfig.DefaultQueryExecMode)
	require.Equal(t, pgx.QueryExecModeCacheDescribe, parse("&statement_cache_capacity=0").pool.ConnConfig.DefaultQueryExecMode)
	for path, schema := range map[string]string{
		"chat": "chat", "Chat,public": "chat", `"My%20Chat",public`: "My Chat", `"a""b"`: `a"b`, "%20chat%20,x": "chat",
	} {
		require.Equal(t, schema, parse("&search_path="+path).Schema(), path)
	}
	options := parse("&options=-c%20search_path%3Dchat%20--work-mem%3D7MB%20-crandom_page_cost%3D2")
	require.Equal(t, "chat", options.Schema())
	require.Equal(t, map[string]string{"work_mem": "7MB", "random_page_cost": "2"}, options.settings)
	require.Empty(t, options.pool.ConnConfig.RuntimeParams["options"], "poolers refuse it")
	require.Equal(t, "endpoint=e1", parse("&options=endpoint%3De1").pool.ConnConfig.RuntimeParams["options"], "it chooses a database of a hosted server")
	for _, same := range []string{
		"&target_session_attrs=any", "&target_session_attrs=read-write", "&target_session_attrs=primary", "&TimeZone=UTC", "&client_encoding=utf-8",
		"&lock_timeout=1s", "&default_transaction_read_only=false", "&gssencmode=disable", "&keepalives=1", "&keepalives_idle=30",
	} {
		require.Empty(t, parse(same).settings, same)
	}
	several, err := ParseURL("postgres://u@h1,h2:6000/db?sslmode=prefer", "im")
	require.NoError(t, err)
	require.Len(t, several.hosts, 2, "the ways to connect to one server are one host")
	require.Equal(t, "h2:6000", several.hosts[1].address())
}

// What a URL says and a node cannot do is refused with the name of the parameter.
func TestParseURLRefuses(t *testing.T) {
	t.Parallel()
	for parameters, says := range map[string][]string{
		"&target_session_attrs=standby":                   {"target_session_attrs", "primary"},
		"&target_session_attrs=read-only":                 {"target_session_attrs"},
		"&target_session_attrs=prefer-standby":            {"target_session_attrs"},
		"&target_session_attrs=some":                      {"target_session_attrs"},
		"&pool_max_conns=many":                            {"pool_max_conns"},
		"&pool_max_conns=0":                               {"pool_max_conns"},
		"&connect_timeout=soon":                           {"connect_timeout"},
		"&default_query_exec_mode=fast":                   {"default_query_exec_mode"},
		"&default_query_exec_mode=exec":                   {"default_query_exec_mode", "cache_describe"},
		"&description_cache_capacity=0":                   {"description_cache_capacity"},
		"&lock_timeout=5s":                                {"lock_timeout", "1s"},
		"&synchronous_commit=off":                         {"synchronous_commit"},
		"&idle_in_transaction_session_timeout=0":          {"idle_in_transaction_session_timeout"},
		"&default_transaction_isolation=serializable":     {"default_transaction_isolation"},
		"&options=-c%20default_transaction_isolation%3Dx": {"default_transaction_isolation"},
		"&options=-x":                                     {"options"},
		"&TimeZone=Asia/Shanghai":                         {"timezone", "UTC"},
		"&client_encoding=latin1":                         {"client_encoding", "UTF8"},
		"&search_path=":                                   nil,
		"&search_path=$user,public":                       {"search_path"},
		"&search_path=pg_catalog":                         {"search_path"},
		`&search_path="chat`:                              {"search_path"},
		"&schema=chat":                                    {"schema", "search_path"},
		"&currentSchema=chat":                             {"currentschema", "search_path"},
		"&connection_limit=3":                             {"connection_limit", "pool_max_conns"},
		"&hostaddr=10.0.0.1":                              {"hostaddr"},
		"&keepalives_idle=long":                           {"keepalives_idle"},
		"&gssencmode=require":                             {"gssencmode"},
		"&sslmode=sometimes":                              {"TLS"},
	} {
		_, err := ParseURL(base+parameters, "im")
		if says == nil {
			require.NoError(t, err, parameters)
			continue
		}
		require.ErrorIs(t, err, ErrConfig, parameters)
		for _, text := range says {
			require.ErrorContains(t, err, text, parameters)
		}
		require.NotContains(t, err.Error(), "pass-word")
	}
	for _, url := range []string{"mysql://u:pass-word@h/db", "postgres://u:pass-word@%zz", "postgres://u:pass-word@h:port/db"} {
		_, err := ParseURL(url, "im")
		require.ErrorIs(t, err, ErrConfig, url)
		require.NotContains(t, err.Error(), "pass-word")
	}
}

func TestLiteral(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "''", "it's": "'it''s'", `a\b'`: `E'a\\b'''`} {
		require.Equal(t, want, Literal(text))
	}
}

package doctor

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"im/store/postgres"
)

const (
	oldestPostgreSQL = 14 // the oldest version that is maintained
	longTransaction  = 5 * time.Minute
	serviceTimeout   = 15 * time.Second
	defaultPool      = 10
	slowReplica      = time.Second // with the time to connect
	sparePerNode     = 1           // migrations and the sweep use one more for a short time
)

// postgresql examines the database. Nodes is the number of live nodes, if known.
func (d *doctor) postgresql(ctx context.Context, nodes int, known bool) {
	ctx, cancel := context.WithTimeout(ctx, serviceTimeout)
	defer cancel()
	url := d.o.Node.Services.DatabaseURL
	add := func(check string, status Status, saw, why, do string) {
		d.add(Finding{Area: "postgresql", Check: check, Status: status, Saw: saw, Why: why, Do: do})
	}
	i, err := postgres.Inspect(ctx, url)
	if err == nil {
		err = postgres.CheckDatabase(ctx, url, false) // what a node checks at its start
	}
	if i.Version == "" {
		add("connection", Failure, oneLine(err), "no message can be stored or read", "correct IM_DATABASE_URL, or start PostgreSQL")
		return
	}
	add("connection", OK, "connected to the database "+i.Database, "", "")
	add("version", verdict(i.VersionNumber >= oldestPostgreSQL*10_000, Warning), "PostgreSQL "+i.Version,
		"versions before 14 get no corrections any more", "upgrade PostgreSQL")
	encoded := i.Encoding == "UTF8"
	add("encoding", verdict(encoded, Failure), "the encoding of the database is "+i.Encoding,
		"messages need UTF8; nodes do not start with another encoding",
		"create a new database: CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'")
	if err != nil && encoded {
		add("use", Failure, oneLine(err), "nodes do not start with this database", "do what the error says")
	}
	d.durability(i)
	d.schema(i)
	d.load(i, nodes, known)
	if i.Schema.Current > 0 {
		d.replica(ctx)
	}
	d.setClock("PostgreSQL", clock{i.Clock, i.ClockError})
}

// durability examines whether what was committed survives.
func (d *doctor) durability(i postgres.Inspection) {
	add := func(check string, status Status, saw, why, do string) {
		d.add(Finding{Area: "postgresql", Check: check, Status: status, Saw: saw, Why: why, Do: do})
	}
	add("fsync", verdict(i.Fsync == "on", Failure), "fsync is "+i.Fsync,
		"a crash of the machine loses messages that were accepted, and may damage the database", "set fsync = on in postgresql.conf")
	add("full_page_writes", verdict(i.FullPageWrites == "on", Warning), "full_page_writes is "+i.FullPageWrites,
		"a crash in the middle of a write may damage a page, unless the file system writes pages whole", "set full_page_writes = on in postgresql.conf")
	safe := i.SynchronousCommit == "on" || i.SynchronousCommit == "remote_apply"
	add("synchronous_commit", verdict(safe, Warning), "synchronous_commit is "+i.SynchronousCommit+" by default",
		"nodes set it to on for their own sessions; other programs that write to this database may lose commits", "set synchronous_commit = on for the database and the role")
	add("logged tables", verdict(i.Unlogged == 0, Failure), fmt.Sprintf("%d tables are unlogged", i.Unlogged),
		"a crash empties unlogged tables", "ALTER TABLE … SET LOGGED")
	standby := fmt.Sprintf("%d standbys are connected, %d of them synchronous", i.Standbys, i.SynchronousStandbys)
	switch {
	case i.Standbys > 0 && i.SynchronousStandbys == 0 && !i.SeesStandbys:
		add("standby", Skipped, standby+", as far as the role may see", "a failover to an asynchronous standby may lose the last commits",
			"grant pg_monitor to the role to see more")
	default:
		add("standby", verdict(i.SynchronousStandbys > 0, Warning), standby,
			"the loss of the server, or a failover to an asynchronous standby, loses the last commits; clients then get a new epoch and sync again",
			"set up a synchronous standby (synchronous_standby_names), or accept the loss")
	}
	add("identity", verdict(i.Identified, Warning), "the role may call pg_control_system: "+fmt.Sprint(i.Identified),
		"without it, nodes notice a failover or a restore that lost commits later, or not at all",
		"GRANT EXECUTE ON FUNCTION pg_control_system() to the role; after a restore run im epoch new")
}

// replica examines the standbys that nodes read from.
func (d *doctor) replica(ctx context.Context) {
	s := d.o.Node.Services
	if s.DatabaseReplicaURL == "" {
		return
	}
	f := Finding{
		Area: "postgresql", Check: "read replica", Status: OK,
		Why: "the primary answers what the replica cannot: nothing is lost, and the primary does all the work",
		Do:  "correct IM_DATABASE_REPLICA_URL, which has to name a standby that follows the primary",
	}
	lag, err := postgres.InspectReplica(ctx, s.DatabaseReplicaURL, s.DatabaseURL)
	switch {
	case err != nil:
		f.Status, f.Saw = Warning, oneLine(err)
	case lag > slowReplica:
		f.Status, f.Saw = Warning, "the replica is "+lag.Round(time.Millisecond).String()+" behind the primary"
		f.Do = "nodes wait for 0.1 s: give the replica more to work with, or set max_standby_streaming_delay lower"
	default:
		f.Saw = "the replica has what was committed before the check"
	}
	d.add(f)
}

// schema examines the tables and the rights on them.
func (d *doctor) schema(i postgres.Inspection) {
	s, status, do := i.Schema, OK, ""
	saw := fmt.Sprintf("the schema has version %d, and this program %d", s.Current, s.Latest)
	switch {
	case i.Encoding != "UTF8":
		return
	case s.Current < s.Latest && d.o.Node.Services.Migrate == "auto":
		status, do = Warning, "start a node, which migrates, or run im migrate up"
	case s.Current < s.Latest:
		status, do = Failure, "run im migrate up: IM_MIGRATE is off"
	case s.Current > s.Latest:
		status, do = Warning, "use the program of the version that the other nodes have"
	}
	d.add(Finding{Area: "postgresql", Check: "schema", Status: status, Saw: saw, Why: "nodes need the tables and functions of their version", Do: do})
	if s.Current == 0 {
		return
	}
	saw = "the role has all rights that a node needs"
	if n := len(i.Missing); n > 0 {
		saw = fmt.Sprintf("the role lacks %d rights: %s", n, strings.Join(i.Missing[:min(n, 8)], ", "))
		if n > 8 {
			saw += ", …"
		}
	}
	d.add(Finding{
		Area: "postgresql", Check: "rights", Status: verdict(len(i.Missing) == 0, Failure), Saw: saw,
		Why: "calls that need these tables or functions fail",
		Do:  "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES, USAGE ON ALL SEQUENCES and EXECUTE ON ALL FUNCTIONS IN SCHEMA to the role",
	})
}

// load examines connections and transactions.
func (d *doctor) load(i postgres.Inspection, nodes int, known bool) {
	pool := cmp.Or(d.o.Node.Services.DatabaseConnections, postgres.PoolSize(d.o.Node.Services.DatabaseURL), defaultPool)
	total := max(cmp.Or(d.o.Nodes, nodes), 1)
	need, room := total*(pool+sparePerNode), i.MaxConnections-i.ReservedConnections
	saw := fmt.Sprintf("%d nodes with up to %d connections each need %d; the server has %d for them, %d are in use", total, pool+sparePerNode, need, room, i.InUse)
	if !known && d.o.Nodes == 0 {
		saw += "; the number of nodes is not known, because Redis does not answer"
	}
	d.add(Finding{
		Area: "postgresql", Check: "connections", Status: verdict(need <= room, Failure), Saw: saw,
		Why: "nodes that get no connection answer unavailable, and cannot start",
		Do:  "raise max_connections, lower IM_DATABASE_CONNECTIONS, or put a pooler in between",
	})
	saw = "the longest transaction takes " + i.LongestTransaction.Round(time.Second).String()
	if !i.SeesStandbys {
		saw += ", as far as the role may see (pg_monitor sees all)"
	}
	d.add(Finding{
		Area: "postgresql", Check: "long transactions", Status: verdict(i.LongestTransaction < cmp.Or(d.o.LongTransaction, longTransaction), Warning), Saw: saw,
		Why: "VACUUM removes nothing that a transaction may still see, so tables grow and reads get slower",
		Do:  "end it (pg_terminate_backend), and set idle_in_transaction_session_timeout for the program that began it",
	})
	d.add(Finding{
		Area: "postgresql", Check: "prepared transactions", Status: verdict(i.PreparedTransactions == 0, Warning),
		Saw: fmt.Sprintf("%d transactions are prepared and wait for their end", i.PreparedTransactions),
		Why: "they keep their locks and hold up VACUUM until they are ended, also over a restart",
		Do:  "COMMIT PREPARED or ROLLBACK PREPARED what pg_prepared_xacts lists",
	})
}

// The receiver counts the messages of each person from webhooks of im, each once. Its
// database can prove that nothing is missing: see README.md.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const schema = `
CREATE TABLE IF NOT EXISTS receiver_webhook (url text PRIMARY KEY, secret text NOT NULL);
CREATE TABLE IF NOT EXISTS receiver_positions (conversation_id uuid PRIMARY KEY, last_seq bigint NOT NULL);
CREATE TABLE IF NOT EXISTS receiver_missing (conversation_id uuid, seq bigint, PRIMARY KEY (conversation_id, seq));
CREATE TABLE IF NOT EXISTS receiver_messages (sender text PRIMARY KEY, count bigint NOT NULL)`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func setting(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

func run(ctx context.Context) error {
	secret := os.Getenv("IM_JWT_SECRET")
	if secret == "" {
		return errors.New("set IM_JWT_SECRET to the same value as for im")
	}
	db, err := pgxpool.New(ctx, setting("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Exec(ctx, schema); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:"+setting("PORT", "3003"))
	if err != nil {
		return err
	}
	url := "http://" + listener.Addr().String()
	r := &receiver{db: db}
	if err := r.register(ctx, setting("IM_URL", "http://127.0.0.1:8080"), url+"/events", secret); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /events", r.receive)
	mux.HandleFunc("GET /counts", r.counts)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Shutdown(context.Background()) })
	log.Printf("what it has counted: curl %s/counts", url)
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

type receiver struct {
	db      *pgxpool.Pool
	webhook *standardwebhooks.Webhook
}

// register makes im call url, unless an earlier run did, and gets the secret of the calls.
func (r *receiver) register(ctx context.Context, im, url, jwtSecret string) error {
	var secret string
	err := r.db.QueryRow(ctx, `SELECT secret FROM receiver_webhook WHERE url = $1`, url).Scan(&secret)
	if errors.Is(err, pgx.ErrNoRows) {
		secret, err = createWebhook(ctx, im, url, jwtSecret)
		if err == nil {
			_, err = r.db.Exec(ctx, `INSERT INTO receiver_webhook VALUES ($1, $2)`, url, secret)
		}
	}
	if err == nil {
		r.webhook, err = standardwebhooks.NewWebhook(secret)
	}
	return err
}

func createWebhook(ctx context.Context, im, url, jwtSecret string) (secret string, err error) {
	// The scope makes it a server token. Never give one to an app or a page.
	claims := jwt.MapClaims{"sub": "receiver", "scope": "server", "exp": time.Now().Add(time.Minute).Unix()}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(jwtSecret))
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(map[string]string{"url": url, "from": "beginning", "description": "examples/webhook-go"})
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, im+"/v1/webhooks", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("the webhook was refused: %s: %s", response.Status, answer)
	}
	var created struct {
		Secret string `json:"secret"`
	}
	err = json.Unmarshal(answer, &created)
	return created.Secret, err
}

// event has what the receiver needs of an event.
type event struct {
	ConversationID string `json:"conversation_id"`
	Seq            int64  `json:"seq"`
	Type           string `json:"type"`
	Sender         string `json:"sender"`
}

func (r *receiver) receive(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, 1<<20))
	if err != nil || r.webhook.Verify(body, request.Header) != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var call struct {
		Type string `json:"type"`
		Data event  `json:"data"`
	}
	if err := json.Unmarshal(body, &call); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if call.Type != "webhook.test" {
		err := pgx.BeginFunc(request.Context(), r.db, func(tx pgx.Tx) error { return take(request.Context(), tx, call.Data) })
		if err != nil {
			log.Printf("event %d of %s: %v", call.Data.Seq, call.Data.ConversationID, err)
			w.WriteHeader(http.StatusInternalServerError) // it comes again
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// take counts an event, once however often it comes: the position and the count change in
// one transaction.
func take(ctx context.Context, tx pgx.Tx, e event) error {
	var last int64
	err := tx.QueryRow(ctx, `INSERT INTO receiver_positions VALUES ($1, 0)
		ON CONFLICT (conversation_id) DO UPDATE SET last_seq = receiver_positions.last_seq RETURNING last_seq`, e.ConversationID).Scan(&last)
	if err != nil {
		return err
	}
	if e.Seq > last {
		// Seqs are dense. What was left out has failed for days, and comes with a replay.
		_, err = tx.Exec(ctx, `INSERT INTO receiver_missing SELECT $1, generate_series($2::bigint + 1, $3::bigint - 1)`, e.ConversationID, last, e.Seq)
		if err == nil {
			_, err = tx.Exec(ctx, `UPDATE receiver_positions SET last_seq = $2 WHERE conversation_id = $1`, e.ConversationID, e.Seq)
		}
		if err != nil {
			return err
		}
	} else {
		found, err := tx.Exec(ctx, `DELETE FROM receiver_missing WHERE conversation_id = $1 AND seq = $2`, e.ConversationID, e.Seq)
		if err != nil || found.RowsAffected() == 0 {
			return err // a repetition
		}
	}
	if e.Type != "message.posted" {
		return nil
	}
	_, err = tx.Exec(ctx, `INSERT INTO receiver_messages VALUES ($1, 1)
		ON CONFLICT (sender) DO UPDATE SET count = receiver_messages.count + 1`, e.Sender)
	return err
}

func (r *receiver) counts(w http.ResponseWriter, request *http.Request) {
	var answer []byte
	err := r.db.QueryRow(request.Context(), `SELECT json_build_object(
		'messages', (SELECT coalesce(json_object_agg(sender, count), '{}') FROM receiver_messages),
		'conversations', (SELECT coalesce(json_object_agg(conversation_id, json_build_object('last', last_seq, 'missing',
			ARRAY(SELECT seq FROM receiver_missing m WHERE m.conversation_id = p.conversation_id ORDER BY seq))), '{}') FROM receiver_positions p))`).Scan(&answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(answer, '\n'))
}

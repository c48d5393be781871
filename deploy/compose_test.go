package deploy

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

// load loads a compose file as `docker compose config` does.
func load(t *testing.T, file string, env ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{file}, cli.WithEnv(env))
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	return project
}

// TestCluster checks docker-compose.yml: three nodes behind nginx.
func TestCluster(t *testing.T) {
	project := load(t, "../docker-compose.yml")

	t.Run("three nodes, nginx and the services", func(t *testing.T) {
		require.ElementsMatch(t, []string{"node1", "node2", "node3", "nginx", "postgres", "redis", "rabbitmq"}, project.ServiceNames())
	})
	t.Run("each has a health check and a pinned image", func(t *testing.T) { requireHealthChecks(t, project) })
	t.Run("nodes differ in their name only and wait for the services", func(t *testing.T) {
		for _, name := range []string{"node1", "node2", "node3"} {
			node := project.Services[name]
			require.Equal(t, name, *node.Environment["IM_NODE_NAME"])
			require.Equal(t, *project.Services["node1"].Environment["IM_DATABASE_URL"], *node.Environment["IM_DATABASE_URL"])
			for _, service := range []string{"postgres", "redis", "rabbitmq"} {
				require.Equal(t, types.ServiceConditionHealthy, node.DependsOn[service].Condition, "%s on %s", name, service)
			}
			require.Greater(t, node.StopGracePeriod.String(), "30s", "a drain takes up to 30 s")
			require.GreaterOrEqual(t, len(*node.Environment["IM_JWT_SECRET"]), 32)
		}
	})
	t.Run("only nginx has a published port, and the database has a volume", func(t *testing.T) {
		for name, service := range project.Services {
			require.Equal(t, name == "nginx", len(service.Ports) > 0, name)
		}
		require.Len(t, project.Services["postgres"].Volumes, 2, "the data and the settings")
		require.Contains(t, project.Volumes, "postgres")
	})
	t.Run("secrets come from the environment", func(t *testing.T) {
		const one, two = "p/1#a%s@w:o", "p/2?b&c='x'"
		own := load(t, "../docker-compose.yml", "IM_JWT_SECRET=a-secret-of-the-test", "POSTGRES_PASSWORD="+one, "RABBITMQ_PASSWORD="+two)
		node := own.Services["node2"].Environment
		require.Equal(t, "a-secret-of-the-test", *node["IM_JWT_SECRET"])
		require.Equal(t, one, *node["IM_DATABASE_PASSWORD"])
		require.Equal(t, two, *node["IM_AMQP_PASSWORD"])
		require.Equal(t, one, *own.Services["postgres"].Environment["POSTGRES_PASSWORD"])
		require.Equal(t, two, *own.Services["rabbitmq"].Environment["RABBITMQ_DEFAULT_PASS"])
	})
	t.Run("the nodes know the address of the client", func(t *testing.T) {
		text, err := os.ReadFile("nginx.conf")
		require.NoError(t, err)
		require.Contains(t, string(text), "proxy_set_header X-Forwarded-For $remote_addr;", "clients cannot set it")
		limited := load(t, "../docker-compose.yml", "IM_RATE_USER_SENDS=10:40").Services["node1"].Environment
		require.Equal(t, "10:40", *limited["IM_RATE_USER_SENDS"])
		require.NotEmpty(t, *limited["IM_TRUSTED_PROXIES"])
		require.Empty(t, *project.Services["node1"].Environment["IM_RATE_USER_SENDS"], "off unless set")
	})
	t.Run("nginx passes to every node, WebSockets too", func(t *testing.T) {
		text, err := os.ReadFile("nginx.conf")
		require.NoError(t, err)
		for _, want := range []string{"server node1:8080", "server node2:8080", "server node3:8080", "proxy_set_header Upgrade $http_upgrade", "proxy_set_header Host $http_host"} {
			require.Contains(t, string(text), want)
		}
	})
}

// TestTestServices checks the services that the tests need: they listen on localhost only.
func TestTestServices(t *testing.T) {
	project := load(t, "test-services.yml")
	requireHealthChecks(t, project)
	for name, service := range project.Services {
		for _, port := range service.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, name)
		}
	}
}

// requireHealthChecks requires that each service has a health check and a pinned image.
func requireHealthChecks(t *testing.T, project *types.Project) {
	t.Helper()
	pinned := regexp.MustCompile(`^[a-z]+:\d+\.\d+`)
	for name, service := range project.Services {
		require.NotNil(t, service.HealthCheck, name)
		require.NotEmpty(t, service.HealthCheck.Test, name)
		if service.Build == nil {
			require.Regexp(t, pinned, service.Image, name)
		}
	}
}

// TestDockerfile: base images are pinned, the image runs as a numeric user without a shell
// and has a health check, labels, and a signal that stops it.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("../Dockerfile")
	require.NoError(t, err)
	for _, line := range strings.Split(string(text), "\n") {
		if image, ok := strings.CutPrefix(line, "FROM "); ok {
			image = strings.TrimPrefix(image, "--platform=$BUILDPLATFORM ")
			require.Regexp(t, `^([a-z]+:\d+\.\d+|scratch)`, image)
		}
	}
	for _, want := range []string{
		`(?m)^RUN GOOS=\$\{TARGETOS\} GOARCH=\$\{TARGETARCH\} scripts/build-release /im$`, `(?m)^ARG DATE=$`,
		`(?m)^USER \d+:\d+$`, `(?m)^HEALTHCHECK .* CMD \["/im", "health"\]$`, `(?m)^STOPSIGNAL SIGTERM$`,
		`org\.opencontainers\.image\.version="\$\{VERSION\}"`, `org\.opencontainers\.image\.revision=`, `org\.opencontainers\.image\.licenses="Apache-2\.0"`,
	} {
		require.Regexp(t, want, string(text))
	}
}

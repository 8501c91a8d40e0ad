/* SPDX-License-Identifier: MIT */
/*
 * Rule S26: an echo server and many clients at once, in one loop. Each client has a store of its
 * own, and so has each session of the server; no callback ever sees another's. With the shim the
 * callbacks find their client and session by nothing else.
 */
#include "stores.h"

#define CLIENTS     24
#define CHUNKS      40
#define CHUNK_BYTES 8192

static struct uvhooks_local_storage of_client = UVHOOKS_LOCAL_STORAGE(release_store, 0);
static struct uvhooks_local_storage of_session = UVHOOKS_LOCAL_STORAGE(release_store, 0);

struct client {
	struct store store; /* the first, so that it can be found by its store */
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_write_t write;
	uv_shutdown_t shutdown;
	char chunk[CHUNK_BYTES];
	int chunks_left;
	size_t received;
};

struct session {
	struct store store;
	uv_tcp_t tcp;
	unsigned long echoes;
	size_t received;
	bool closed;
};

struct echo {
	uv_write_t write;
	struct session *session;
	char bytes[];
};

static struct client clients[CLIENTS];
static struct session sessions[CLIENTS];
static int accepted;
static uv_tcp_t server;
static struct sockaddr_in address;

static struct client *client_of(void *data)
{
	struct client *client = data;

	SEES(&of_client, &client->store);
	SEES(&of_session, NULL);
	return uvhooks_present() ? uvhooks_local_storage_get_store(&of_client) : client;
}

static struct session *session_of(void *data)
{
	struct session *session = data;

	SEES(&of_session, &session->store);
	SEES(&of_client, NULL);
	return uvhooks_present() ? uvhooks_local_storage_get_store(&of_session) : session;
}

/* libuv asks for memory outside of any callback; but never in another client's or session's scope.
 */
static void give_client_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	const struct client *client = handle->data;
	const struct store *seen = uvhooks_local_storage_get_store(&of_client);

	CHECK(seen == NULL || seen == &client->store);
	CHECK(uvhooks_local_storage_get_store(&of_session) == NULL);
	give_buffer(handle, suggested, buffer);
}

/* The server's side. */

static void on_session_closed(uv_handle_t *handle)
{
	struct session *session = session_of(handle->data);

	session->closed = true;
	for (int i = 0; i < CLIENTS; i++)
		if (!sessions[i].closed)
			return;
	uv_close((uv_handle_t *) &server, NULL);
}

static void on_echoed(uv_write_t *write, int status)
{
	struct echo *echo = (struct echo *) write;
	struct session *session = session_of(echo->session);

	CHECK_OK(status);
	session->echoes++;
	free(echo);
}

static void on_shut(uv_shutdown_t *request, int status)
{
	struct session *session = session_of(request->data);

	CHECK_OK(status);
	free(request);
	uv_close((uv_handle_t *) &session->tcp, on_session_closed);
}

static void on_session_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	struct session *session = session_of(stream->data);
	struct echo *echo;
	uv_buf_t bytes;

	if (count == 0)
		return;
	if (count < 0) {
		uv_shutdown_t *request = malloc(sizeof *request);

		CHECK_RESULT(count, UV_EOF);
		CHECK(request != NULL);
		request->data = session;
		CHECK_OK(uv_shutdown(request, stream, on_shut));
		return;
	}
	session->received += (size_t) count;
	echo = malloc(sizeof *echo + (size_t) count);
	CHECK(echo != NULL);
	echo->session = session;
	memcpy(echo->bytes, buffer->base, (size_t) count);
	bytes = uv_buf_init(echo->bytes, (unsigned int) count);
	CHECK_OK(uv_write(&echo->write, stream, &bytes, 1, on_echoed));
}

static void *accept_session(void *data)
{
	struct session *session = data;

	CHECK_OK(uv_tcp_init(server.loop, &session->tcp));
	session->tcp.data = session;
	CHECK_OK(uv_accept((uv_stream_t *) &server, (uv_stream_t *) &session->tcp));
	CHECK_OK(uv_read_start((uv_stream_t *) &session->tcp, give_buffer, on_session_read));
	return data;
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct session *session = &sessions[accepted++];

	(void) stream;
	CHECK_OK(status);
	SEES(&of_session, NULL);
	SEES(&of_client, NULL);
	session->store.name = "a session";
	uvhooks_local_storage_run(&of_session, &session->store, accept_session, session);
}

/* The clients' side. */

static void on_client_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	struct client *client = client_of(stream->data);

	if (count == 0)
		return;
	if (count < 0) {
		CHECK_RESULT(count, UV_EOF);
		uv_close((uv_handle_t *) stream, NULL);
		return;
	}
	for (ssize_t i = 0; i < count; i++)
		CHECK(buffer->base[i] == client->chunk[0]);
	client->received += (size_t) count;
}

static void on_client_shut(uv_shutdown_t *request, int status)
{
	CHECK_OK(status);
	client_of(request->data);
}

static void on_client_written(uv_write_t *write, int status)
{
	struct client *client = client_of(write->data);
	uv_buf_t bytes = uv_buf_init(client->chunk, CHUNK_BYTES);

	CHECK_OK(status);
	if (--client->chunks_left > 0) {
		CHECK_OK(uv_write(write, write->handle, &bytes, 1, on_client_written));
	} else {
		client->shutdown.data = client;
		CHECK_OK(uv_shutdown(&client->shutdown, write->handle, on_client_shut));
	}
}

static void on_connected(uv_connect_t *request, int status)
{
	struct client *client = client_of(request->data);
	uv_buf_t bytes = uv_buf_init(client->chunk, CHUNK_BYTES);

	CHECK_OK(status);
	client->write.data = client;
	CHECK_OK(uv_write(&client->write, request->handle, &bytes, 1, on_client_written));
	CHECK_OK(uv_read_start(request->handle, give_client_buffer, on_client_read));
}

static void *connect_client(void *data)
{
	struct client *client = data;

	CHECK_OK(uv_tcp_init(server.loop, &client->tcp));
	client->tcp.data = client->connect.data = client;
	CHECK_OK(uv_tcp_connect(&client->connect, &client->tcp, (struct sockaddr *) &address,
				on_connected));
	return data;
}

static void multiclients(uv_loop_t *loop)
{
	listen_on_loopback(loop, &server, &address, on_connection);
	for (int i = 0; i < CLIENTS; i++) {
		clients[i].store.name = "a client";
		clients[i].chunks_left = CHUNKS;
		memset(clients[i].chunk, 'a' + i, CHUNK_BYTES);
		uvhooks_local_storage_run(&of_client, &clients[i].store, connect_client,
					  &clients[i]);
	}
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	for (int i = 0; i < CLIENTS; i++) {
		CHECK(clients[i].received == (size_t) CHUNKS * CHUNK_BYTES);
		CHECK(sessions[i].received == (size_t) CHUNKS * CHUNK_BYTES);
		CHECK(sessions[i].echoes > 0);
		CHECK_RESULT(times_released(&clients[i].store), 1);
		CHECK_RESULT(times_released(&sessions[i].store), 1);
	}
	printf("%d clients, each with its own %d bytes\n", CLIENTS, CHUNKS * CHUNK_BYTES);
}

static const struct scene scenes[] = {
    {"multiclients", multiclients},
};

int main(int argc, char **argv)
{
	return PLAY_AND_REPORT(scenes);
}

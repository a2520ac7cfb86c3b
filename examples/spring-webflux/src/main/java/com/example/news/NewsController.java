package com.example.news;

import jakarta.validation.Valid;
import jakarta.validation.constraints.NotNull;
import jakarta.validation.constraints.Pattern;
import jakarta.validation.constraints.Size;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.event.ContextClosedEvent;
import org.springframework.context.event.EventListener;
import org.springframework.http.HttpStatus;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseCookie;
import org.springframework.http.codec.ServerSentEvent;
import org.springframework.http.server.reactive.ServerHttpResponse;
import org.springframework.web.bind.annotation.CookieValue;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.server.ResponseStatusException;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;
import tools.jackson.databind.json.JsonMapper;

/** Every route of the app but its page. */
@RestController
class NewsController {

    private static final String USER_NAME = "[A-Za-z0-9_-]{1,64}";
    private static final String USER_NAME_RULE = "a user is 1 to 64 letters, digits, _ or -";
    private static final String TEXT_RULE = "a text is 1 to 1000 characters";
    private static final Duration TOKEN_LIFETIME = Duration.ofHours(1);
    private static final int MAX_WAITING_MESSAGES = 256;
    /** Means nothing to a client. WebFlux sends a stream's headers with the first thing that there is to send. */
    private static final ServerSentEvent<String> BLANK_LINE = ServerSentEvent.<String>builder().build();

    private final Hub hub;
    private final String hubUrl;
    private final Sessions sessions;
    private final JsonMapper json;
    private final Sinks.Many<String> messages = Sinks.many().multicast().directBestEffort();

    NewsController(Hub hub, @Value("${hub.url}") String hubUrl, Sessions sessions, JsonMapper json) {
        this.hub = hub;
        this.hubUrl = hubUrl;
        this.sessions = sessions;
        this.json = json;
    }

    record Login(
            @NotNull(message = USER_NAME_RULE) @Pattern(regexp = USER_NAME, message = USER_NAME_RULE) String user) {}

    record Message(
            @NotNull(message = TEXT_RULE) @Size(min = 1, max = 1000, message = TEXT_RULE) String text) {}

    record HubToken(String hub, List<String> topics, String token) {}

    @PostMapping("/login")
    @ResponseStatus(HttpStatus.NO_CONTENT)
    void login(@Valid @RequestBody Login login, ServerHttpResponse response) {
        response.addCookie(ResponseCookie.from("session", sessions.open(login.user()))
                .httpOnly(true)
                .sameSite("Lax")
                .path("/")
                .build());
    }

    @PostMapping("/hub-token")
    HubToken hubToken(@CookieValue(name = "session", defaultValue = "") String session, ServerHttpResponse response) {
        String user = sessions.user(session);
        if (user == null) {
            throw new ResponseStatusException(HttpStatus.UNAUTHORIZED, "log in first");
        }
        String token = hub.subscriberToken(user, TOKEN_LIFETIME);
        response.addCookie(ResponseCookie.from("mercureAuthorization", token)
                .httpOnly(true)
                .sameSite("Strict")
                .path("/.well-known/mercure")
                .maxAge(TOKEN_LIFETIME)
                .build());
        return new HubToken(hubUrl, List.of("news", "users/" + user), token);
    }

    @PostMapping("/messages")
    Mono<Hub.Published> sendMessage(@Valid @RequestBody Message message) {
        messages.emitNext(json.writeValueAsString(message), waitForOtherThreads());
        return hub.publish(Map.of("topic", "news", "data", message));
    }

    @PostMapping("/users/{user}/notifications")
    Mono<Hub.Published> notify(
            @PathVariable @Pattern(regexp = USER_NAME, message = USER_NAME_RULE) String user,
            @Valid @RequestBody Message message) {
        return hub.publish(
                Map.of("topic", "users/" + user, "type", "notification", "data", message, "private", true));
    }

    /** A stream without a hub, as tutorials write it: what a client misses while it is away is lost. */
    @GetMapping(path = "/api/events", produces = MediaType.TEXT_EVENT_STREAM_VALUE)
    Flux<ServerSentEvent<String>> plainEvents() {
        return messages.asFlux()
                .onBackpressureBuffer(MAX_WAITING_MESSAGES) // a client that is further behind is disconnected
                .map(message -> ServerSentEvent.builder(message).build())
                .mergeWith(Mono.just(BLANK_LINE));
    }

    /** The server waits for open streams before it stops, and they do not end by themselves. */
    @EventListener(ContextClosedEvent.class)
    void endStreams() {
        messages.emitComplete(waitForOtherThreads());
    }

    /** Threads send one after the other. The time starts here, so each sending needs its own. */
    private static Sinks.EmitFailureHandler waitForOtherThreads() {
        return Sinks.EmitFailureHandler.busyLooping(Duration.ofSeconds(1));
    }
}

package com.example.news;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.MACSigner;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Map;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.http.HttpStatus;
import org.springframework.stereotype.Service;
import org.springframework.web.reactive.function.client.WebClient;
import org.springframework.web.reactive.function.client.WebClientResponseException;
import org.springframework.web.server.ResponseStatusException;
import reactor.core.publisher.Mono;

/** The app's side of the hub: publishing, and the tokens that both sides trust. */
@Service
public class Hub {

    private static final Duration ANSWER_TIMEOUT = Duration.ofSeconds(5);
    private static final Duration PUBLISH_TOKEN_LIFETIME = Duration.ofMinutes(1);

    private final WebClient client;
    private final MACSigner signer;

    Hub(@Value("${hub.url}") String url, @Value("${hub.key}") String key) throws JOSEException {
        client = WebClient.create(url);
        signer = new MACSigner(key);
    }

    /** What the hub answers: the id that subscribers see with the update. */
    record Published(String id) {}

    /** Gives the hub an update, as the JSON that it reads. Fails with status 502 if it cannot be reached or refuses. */
    Mono<Published> publish(Map<String, ?> update) {
        var claims = new JWTClaimsSet.Builder().claim("mercure", Map.of("publish", List.of("*")));
        return client.post()
                .uri("/.well-known/mercure")
                .headers(headers -> headers.setBearerAuth(sign(claims, PUBLISH_TOKEN_LIFETIME)))
                .bodyValue(update)
                .retrieve()
                .bodyToMono(Published.class)
                .timeout(ANSWER_TIMEOUT)
                .onErrorMap(Hub::badGateway);
    }

    /** A token with which a browser gets the user's own private updates. */
    String subscriberToken(String user, Duration lifetime) {
        var own = Map.of("subscribe", List.of("users/" + user));
        return sign(new JWTClaimsSet.Builder().subject(user).claim("mercure", own), lifetime);
    }

    private String sign(JWTClaimsSet.Builder claims, Duration lifetime) {
        var expires = Date.from(Instant.now().plus(lifetime));
        var token = new SignedJWT(new JWSHeader(JWSAlgorithm.HS256), claims.expirationTime(expires).build());
        try {
            token.sign(signer);
        } catch (JOSEException error) {
            throw new IllegalStateException("the token could not be signed", error);
        }
        return token.serialize();
    }

    private static ResponseStatusException badGateway(Throwable error) {
        String reason = error instanceof WebClientResponseException answer
                ? "the hub refused the update with status " + answer.getStatusCode().value()
                : "the hub cannot be reached";
        return new ResponseStatusException(HttpStatus.BAD_GATEWAY, reason, error);
    }
}

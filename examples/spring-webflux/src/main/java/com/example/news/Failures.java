package com.example.news;

import java.util.List;
import org.springframework.context.MessageSourceResolvable;
import org.springframework.http.HttpStatus;
import org.springframework.http.ResponseEntity;
import org.springframework.web.ErrorResponseException;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestControllerAdvice;
import org.springframework.web.bind.support.WebExchangeBindException;
import org.springframework.web.method.annotation.HandlerMethodValidationException;

/** What the page shows when a request fails. */
@RestControllerAdvice
class Failures {

    record Failure(String error) {}

    @ExceptionHandler
    ResponseEntity<Failure> failed(ErrorResponseException error) {
        String detail = error.getBody().getDetail();
        String text = detail == null ? error.getBody().getTitle() : detail;
        return ResponseEntity.status(error.getStatusCode()).body(new Failure(text));
    }

    @ExceptionHandler
    @ResponseStatus(HttpStatus.BAD_REQUEST)
    Failure invalidBody(WebExchangeBindException error) {
        return firstOf(error.getAllErrors());
    }

    @ExceptionHandler
    @ResponseStatus(HttpStatus.BAD_REQUEST)
    Failure invalidBodyOrPath(HandlerMethodValidationException error) {
        return firstOf(error.getAllErrors());
    }

    private static Failure firstOf(List<? extends MessageSourceResolvable> errors) {
        return new Failure(errors.get(0).getDefaultMessage());
    }
}

package io.afflux.connect;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.Set;
import java.util.UUID;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.apache.kafka.connect.errors.ConnectException;

/**
 * What stands in a column's place, byte for byte as {@code afflux.transforms.masks} makes it in the sink.
 *
 * <p>Written as {@code hash}, {@code partial:4} or {@code remove}; {@code docs/masking.md} says what each is.
 */
final class Mask {

    private static final String HMAC = "HmacSHA256";
    private static final String PARTIAL = "partial:";
    /** text, varchar, uuid, int2, int4 and int8: what may be hashed or shown in part. */
    private static final Set<Integer> OF_TEXT = Set.of(25, 1043, 2950, 21, 23, 20);

    private final String written;
    private final int keep;
    private final Mac mac;

    private Mask(String written, int keep, Mac mac) {
        this.written = written;
        this.keep = keep;
        this.mac = mac;
    }

    /**
     * Reads a mask.
     *
     * @param secret the key of hashes; null where there is none
     */
    static Mask of(String column, String written, String secret) {
        switch (written) {
            case "remove":
                return new Mask(written, 0, null);
            case "hash":
                if (secret == null || secret.isEmpty()) {
                    throw new ConnectException("the hash of " + column + " has no key");
                }
                return new Mask(written, 0, mac(secret));
            default:
                if (!written.matches(PARTIAL + "[1-9][0-9]{0,8}")) {
                    throw new ConnectException("the mask of " + column + " is not known: " + written);
                }
                return new Mask(written, Integer.parseInt(written.substring(PARTIAL.length())), null);
        }
    }

    private static Mac mac(String secret) {
        try {
            Mac mac = Mac.getInstance(HMAC);
            mac.init(new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), HMAC));
            return mac;
        } catch (GeneralSecurityException e) {
            throw new ConnectException("this Java has no " + HMAC, e);
        }
    }

    boolean removes() {
        return written.equals("remove");
    }

    boolean fits(int oid) {
        return removes() || OF_TEXT.contains(oid);
    }

    /** Masks a value of a type that fits: one that is neither null nor unchanged. */
    String apply(Object value) {
        if (removes()) {
            return null;
        }
        if (!(value instanceof String || value instanceof Number || value instanceof UUID)) {
            throw new ConnectException("its class " + value.getClass().getName() + " is not known");
        }
        String text = value.toString();
        return mac == null ? partly(text) : hashed(text);
    }

    private String partly(String text) {
        int length = text.codePointCount(0, text.length());
        if (length <= keep) {
            return "*".repeat(length);
        }
        return "*".repeat(length - keep) + text.substring(text.offsetByCodePoints(0, length - keep));
    }

    private synchronized String hashed(String text) {
        byte[] digest = mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
        StringBuilder hexadecimal = new StringBuilder(2 * digest.length);
        for (byte each : digest) {
            hexadecimal.append(Character.forDigit(each >> 4 & 0xF, 16)).append(Character.forDigit(each & 0xF, 16));
        }
        return hexadecimal.toString();
    }

    @Override
    public String toString() {
        return written;
    }
}

package io.afflux.connect;

import io.debezium.connector.postgresql.PostgresValueConverter;
import io.debezium.data.SpecialValueDecimal;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.Array;
import java.sql.SQLException;
import java.sql.SQLXML;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.Calendar;
import java.util.GregorianCalendar;
import java.util.Locale;
import java.util.Map;
import java.util.TimeZone;
import java.util.TreeMap;
import org.apache.kafka.connect.errors.DataException;
import org.postgresql.PGStatement;
import org.postgresql.geometric.PGbox;
import org.postgresql.geometric.PGcircle;
import org.postgresql.geometric.PGline;
import org.postgresql.geometric.PGlseg;
import org.postgresql.geometric.PGpath;
import org.postgresql.geometric.PGpoint;
import org.postgresql.geometric.PGpolygon;
import org.postgresql.jdbc.PgArray;
import org.postgresql.util.PGInterval;
import org.postgresql.util.PGobject;

/**
 * What a type's output function writes, from what the JDBC driver and Debezium have made of it.
 *
 * <p>The forms are those of PostgreSQL's {@code EncodeDateTime}, {@code EncodeInterval}, {@code hstore_out} and
 * {@code float8out}; most types come as text already.
 */
final class PostgresText {

    private static final long DAY_MS = 86_400_000L;
    /** Days since 1970 of 1582-10-15, the first in Java's calendar that is Gregorian, and of ten days later. */
    private static final long FIRST_GREGORIAN = -141_427;
    private static final long AFTER_JULIAN = FIRST_GREGORIAN + 10;
    private static final int MONEY_SCALE = 2;

    private PostgresText() {}

    /**
     * Writes a value that is neither null nor text.
     *
     * @param oid the type, below all domains
     * @throws DataException for a value whose text can't be known
     */
    static String of(Object value, int oid) throws SQLException {
        if (value instanceof SpecialValueDecimal number) {
            return decimal(number);
        } else if (value instanceof OffsetDateTime time) {
            return timestamptz(time);
        } else if (value instanceof Instant time) {
            return timestamp(time);
        } else if (value instanceof LocalDate date) {
            return date(date);
        } else if (value instanceof Array array) {
            return array(array);
        } else if (value instanceof PGInterval interval) {
            return interval(interval);
        } else if (value instanceof java.sql.Date date) {
            return date(date);
        } else if (value instanceof BigDecimal number && oid == Types.MONEY) {
            return money(number);
        } else if (value instanceof SQLXML xml) {
            return xml.getString();
        } else if (value instanceof Map<?, ?> pairs) {
            return hstore(pairs);
        } else if (value instanceof PGobject object) {
            return geometric(object);
        }
        throw new DataException("its class " + value.getClass().getName() + " is not known");
    }

    private static String decimal(SpecialValueDecimal number) {
        if (number.getDecimalValue().isPresent()) {
            return number.getDecimalValue().get().toPlainString();
        }
        return Double.isNaN(number.toDouble()) ? "NaN" : number.toDouble() > 0 ? "Infinity" : "-Infinity";
    }

    /** Debezium has read it from text such as $1,234.56, which means another amount where a comma ends the units. */
    private static String money(BigDecimal number) {
        if (number.scale() != MONEY_SCALE) {
            throw new DataException("its lc_monetary does not write two digits behind a point; see docs/wire.md");
        }
        return number.toPlainString();
    }

    private static String array(Array array) {
        if (array instanceof PgArray own && own.isBinary()) {
            throw new DataException("it came in binary; the connector needs driver.binaryTransfer=false");
        }
        return array.toString();
    }

    private static String date(java.sql.Date date) {
        long ms = date.getTime();
        if (ms == PGStatement.DATE_POSITIVE_INFINITY) {
            return "infinity";
        }
        if (ms == PGStatement.DATE_NEGATIVE_INFINITY) {
            return "-infinity";
        }
        long day = Math.floorDiv(ms, DAY_MS);
        return date(day < AFTER_JULIAN ? julian(ms, day) : LocalDate.ofEpochDay(day));
    }

    /** PostgreSQL's dates are all Gregorian, and the driver has taken this one for a Julian one. */
    private static LocalDate julian(long ms, long day) {
        if (day >= FIRST_GREGORIAN) {
            throw new DataException("dates from 1582-10-05 to 1582-10-24 can't be read in a snapshot, where the"
                    + " driver makes one of two; see docs/wire.md");
        }
        GregorianCalendar calendar = new GregorianCalendar(TimeZone.getTimeZone("UTC"), Locale.ROOT);
        calendar.setTimeInMillis(ms);
        int year = calendar.get(Calendar.YEAR);
        return LocalDate.of(
                calendar.get(Calendar.ERA) == GregorianCalendar.BC ? 1 - year : year,
                calendar.get(Calendar.MONTH) + 1,
                calendar.get(Calendar.DAY_OF_MONTH));
    }

    private static String date(LocalDate date) {
        if (date.equals(PostgresValueConverter.POSITIVE_INFINITY_LOCAL_DATE)) {
            return "infinity";
        }
        if (date.equals(PostgresValueConverter.NEGATIVE_INFINITY_LOCAL_DATE)) {
            return "-infinity";
        }
        StringBuilder text = new StringBuilder(13);
        appendDate(text, date);
        return date.getYear() > 0 ? text.toString() : text.append(" BC").toString();
    }

    private static String timestamp(Instant time) {
        if (time.equals(PostgresValueConverter.POSITIVE_INFINITY_INSTANT)) {
            return "infinity";
        }
        return time.equals(PostgresValueConverter.NEGATIVE_INFINITY_INSTANT)
                ? "-infinity"
                : timestamp(LocalDateTime.ofEpochSecond(time.getEpochSecond(), time.getNano(), ZoneOffset.UTC), "");
    }

    private static String timestamptz(OffsetDateTime time) {
        if (time.equals(PostgresValueConverter.POSITIVE_INFINITY_OFFSET_DATE_TIME)) {
            return "infinity";
        }
        return time.equals(PostgresValueConverter.NEGATIVE_INFINITY_OFFSET_DATE_TIME)
                ? "-infinity"
                : timestamp(time.withOffsetSameInstant(ZoneOffset.UTC).toLocalDateTime(), "+00");
    }

    private static String timestamp(LocalDateTime time, String offset) {
        StringBuilder text = new StringBuilder(32);
        appendDate(text, time.toLocalDate());
        appendPadded(text.append(' '), time.getHour(), 2);
        appendPadded(text.append(':'), time.getMinute(), 2);
        appendPadded(text.append(':'), time.getSecond(), 2);
        appendFraction(text, time.getNano() / 1000);
        return text.append(offset).append(time.getYear() > 0 ? "" : " BC").toString();
    }

    private static String interval(PGInterval interval) {
        StringBuilder text = new StringBuilder(40);
        boolean before = appendUnit(text, interval.getYears(), "year", false);
        before = appendUnit(text, interval.getMonths(), "mon", before);
        before = appendUnit(text, interval.getDays(), "day", before);
        int hours = interval.getHours();
        int minutes = interval.getMinutes();
        int seconds = interval.getWholeSeconds();
        int micros = interval.getMicroSeconds();
        boolean none = text.length() == 0;
        if (none || hours != 0 || minutes != 0 || seconds != 0 || micros != 0) {
            boolean minus = hours < 0 || minutes < 0 || seconds < 0 || micros < 0;
            text.append(none ? "" : " ").append(minus ? "-" : before ? "+" : "");
            appendPadded(text, Math.abs(hours), 2);
            appendPadded(text.append(':'), Math.abs(minutes), 2);
            appendPadded(text.append(':'), Math.abs(seconds), 2);
            appendFraction(text, Math.abs(micros));
        }
        return text.toString();
    }

    /** Appends one part of an interval; returns whether the next one needs a sign of its own. */
    private static boolean appendUnit(StringBuilder text, int value, String unit, boolean before) {
        if (value == 0) {
            return before;
        }
        text.append(text.length() > 0 ? " " : "").append(before && value > 0 ? "+" : "");
        text.append(value).append(' ').append(unit).append(value == 1 ? "" : "s");
        return value < 0;
    }

    private static void appendDate(StringBuilder text, LocalDate date) {
        int year = date.getYear();
        appendPadded(text, year > 0 ? year : 1 - year, 4);
        appendPadded(text.append('-'), date.getMonthValue(), 2);
        appendPadded(text.append('-'), date.getDayOfMonth(), 2);
    }

    private static void appendFraction(StringBuilder text, int micros) {
        if (micros != 0) {
            appendPadded(text.append('.'), micros, 6);
            while (text.charAt(text.length() - 1) == '0') {
                text.setLength(text.length() - 1);
            }
        }
    }

    private static void appendPadded(StringBuilder text, int number, int width) {
        for (int limit = 10, digits = 1; digits < width; limit *= 10, digits++) {
            if (number < limit) {
                text.append('0');
            }
        }
        text.append(number);
    }

    /** Keys are unique, and stand in the order of their lengths in bytes, then of their bytes. */
    private static String hstore(Map<?, ?> pairs) {
        TreeMap<byte[], Object> sorted = new TreeMap<>((a, b) ->
                a.length != b.length ? Integer.compare(a.length, b.length) : Arrays.compareUnsigned(a, b));
        pairs.forEach((key, value) -> sorted.put(((String) key).getBytes(StandardCharsets.UTF_8), value));
        StringBuilder text = new StringBuilder();
        sorted.forEach((key, value) -> {
            text.append(text.length() > 0 ? ", " : "");
            appendQuoted(text, new String(key, StandardCharsets.UTF_8));
            text.append("=>");
            if (value == null) {
                text.append("NULL");
            } else {
                appendQuoted(text, (String) value);
            }
        });
        return text.toString();
    }

    private static void appendQuoted(StringBuilder text, String word) {
        text.append('"').append(word.replace("\\", "\\\\").replace("\"", "\\\"")).append('"');
    }

    private static String geometric(PGobject object) {
        StringBuilder text = new StringBuilder();
        if (object instanceof PGpoint point) {
            appendPoint(text, point);
        } else if (object instanceof PGline line) {
            text.append('{').append(Float8.text(line.a)).append(',').append(Float8.text(line.b)).append(',');
            text.append(Float8.text(line.c)).append('}');
        } else if (object instanceof PGlseg segment) {
            appendPoints(text, "[", segment.point, "]");
        } else if (object instanceof PGbox box) {
            appendPoints(text, "", box.point, "");
        } else if (object instanceof PGpath path) {
            appendPoints(text, path.open ? "[" : "(", path.points, path.open ? "]" : ")");
        } else if (object instanceof PGpolygon polygon) {
            appendPoints(text, "(", polygon.points, ")");
        } else if (object instanceof PGcircle circle) {
            appendPoint(text.append('<'), circle.center);
            text.append(',').append(Float8.text(circle.radius)).append('>');
        } else if (object.getClass() == PGobject.class) {
            return object.getValue();  // as PostgreSQL wrote it
        } else {
            throw new DataException("its class " + object.getClass().getName() + " is not known");
        }
        return text.toString();
    }

    private static void appendPoints(StringBuilder text, String open, PGpoint[] points, String close) {
        text.append(open);
        for (int i = 0; i < points.length; i++) {
            appendPoint(i == 0 ? text : text.append(','), points[i]);
        }
        text.append(close);
    }

    private static void appendPoint(StringBuilder text, PGpoint point) {
        text.append('(').append(Float8.text(point.x)).append(',').append(Float8.text(point.y)).append(')');
    }
}

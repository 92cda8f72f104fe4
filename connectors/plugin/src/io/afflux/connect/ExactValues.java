package io.afflux.connect;

import io.debezium.connector.postgresql.UnchangedToastedReplicationMessageColumn;
import io.debezium.spi.converter.CustomConverter;
import io.debezium.spi.converter.RelationalColumn;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.Properties;
import java.util.TimeZone;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.DataException;

/**
 * Hands every PostgreSQL value over in its own exact form, and marks unchanged TOAST.
 *
 * <p>Types of fixed width that Debezium carries exactly stay as they are. Every other column becomes an optional
 * string with PostgreSQL's own text, and bytea its bytes behind one leading byte; {@code docs/wire.md} specifies it.
 * In a connector's configuration: {@code converters=afflux}, {@code afflux.type=io.afflux.connect.ExactValues}.
 */
public final class ExactValues implements CustomConverter<SchemaBuilder, RelationalColumn> {

    static final String WIRE = "1";
    static final String UNCHANGED = "\0unchanged";
    private static final byte VALUE_BYTE = 0;
    private static final byte UNCHANGED_BYTE = 1;

    @Override
    public void configure(Properties properties) {
        // The driver makes each session's time zone that of the worker, and text holds it.
        ZoneId zone = TimeZone.getDefault().toZoneId();
        if (!zone.getRules().equals(ZoneOffset.UTC.getRules())) {
            throw new ConnectException("afflux's plugin needs workers whose time zone is UTC, and this one's is " + zone
                    + ": start it with -Duser.timezone=UTC (in KAFKA_OPTS) or TZ=UTC");
        }
    }

    @Override
    public void converterFor(RelationalColumn column, ConverterRegistration<SchemaBuilder> registration) {
        int type = column.nativeType();
        if (Types.isFixedWidth(type)) {
            return;
        }
        if (type == Types.BYTEA) {
            SchemaBuilder schema = marked(SchemaBuilder.bytes(), column);
            register(column, registration, schema, new byte[] {UNCHANGED_BYTE}, value -> wrapped((byte[]) value));
        } else {
            SchemaBuilder schema = marked(SchemaBuilder.string(), column);
            register(column, registration, schema, UNCHANGED, value ->
                    value instanceof String text ? text : PostgresText.of(value, type));
        }
    }

    /** What a field is handed over as, made of a value that is neither null nor unchanged. */
    interface Form {
        Object of(Object value) throws Exception;
    }

    static SchemaBuilder marked(SchemaBuilder schema, RelationalColumn column) {
        return schema.optional().parameter("afflux.wire", WIRE).parameter("afflux.type", Types.nameOf(column));
    }

    static void register(
            RelationalColumn column,
            ConverterRegistration<SchemaBuilder> registration,
            SchemaBuilder schema,
            Object unchanged,
            Form form) {
        // Debezium asks for the default in the wire's form once, before any value; it shall have none, for the Avro
        // converter writes the default wherever a NULL is. No value is this very object.
        Object[] expectedDefault = {column.hasDefaultValue() ? column.defaultValue() : null};
        String name = column.dataCollection() + "." + column.name();
        registration.register(schema, value -> {
            if (value == null) {
                return null;
            }
            if (expectedDefault[0] != null) {
                boolean isDefault = value == expectedDefault[0];
                expectedDefault[0] = null;
                if (isDefault) {
                    return null;
                }
            }
            if (value.getClass() == Object.class) {
                if (!UnchangedToastedReplicationMessageColumn.isUnchangedToastedValue(value)) {
                    throw failure(name, "a value without a class", null);
                }
                return unchanged;
            }
            try {
                return form.of(value);
            } catch (Exception e) {
                throw failure(name, e.getMessage(), e);
            }
        });
    }

    private static byte[] wrapped(byte[] value) {
        byte[] wrapped = new byte[value.length + 1];
        wrapped[0] = VALUE_BYTE;
        System.arraycopy(value, 0, wrapped, 1, value.length);
        return wrapped;
    }

    /** Debezium shows the cause of what a converter throws and not the exception itself, so both say it. */
    private static DataException failure(String column, String why, Exception cause) {
        String message = "afflux's plugin can't hand over a value of " + column + ": " + why;
        return new DataException(message, new DataException(message, cause));
    }
}

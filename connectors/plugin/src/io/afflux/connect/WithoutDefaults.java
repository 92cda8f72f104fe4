package io.afflux.connect;

import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.components.Versioned;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.ConnectSchema;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.transforms.Transformation;

/**
 * Takes the column defaults out of a row's schema, so that a NULL in a column with a default arrives as NULL.
 *
 * <p>A schema's default stands for what was left out, and so a converter writes it wherever a value is null; but in
 * a change event a null is a value. Only nullable fields lose their defaults: no other can hold a null. Rows are
 * found in keys and values named {@code *.Key} and {@code *.Value}, and in envelopes' {@code before} and
 * {@code after}; every other record passes as it is, and so does one whose row has no such default.
 */
public final class WithoutDefaults<R extends ConnectRecord<R>> implements Transformation<R>, Versioned {

    private static final int MOST_SCHEMAS = 4096;

    private final Map<Schema, Schema> known = new IdentityHashMap<>();

    @Override
    public R apply(R record) {
        Schema keySchema = without(record.keySchema());
        Schema valueSchema = without(record.valueSchema());
        if (keySchema == record.keySchema() && valueSchema == record.valueSchema()) {
            return record;
        }
        return record.newRecord(
                record.topic(),
                record.kafkaPartition(),
                keySchema,
                moved(record.key(), keySchema),
                valueSchema,
                moved(record.value(), valueSchema),
                record.timestamp(),
                record.headers());
    }

    private Schema without(Schema schema) {
        if (schema == null || schema.type() != Schema.Type.STRUCT) {
            return schema;
        }
        Schema found = known.get(schema);
        if (found == null) {
            if (known.size() == MOST_SCHEMAS) {
                known.clear();  // made anew as they come; schemas of tables long altered are not kept for ever
            }
            found = make(schema);
            known.put(schema, found);
        }
        return found;
    }

    private Schema make(Schema schema) {
        String name = schema.name() == null ? "" : schema.name();
        boolean row = name.endsWith(".Key") || name.endsWith(".Value");
        if (!row && !name.endsWith(".Envelope")) {
            return schema;
        }
        boolean same = true;
        List<Field> fields = new ArrayList<>(schema.fields().size());
        for (Field field : schema.fields()) {
            Schema old = field.schema();
            Schema made = row ? nullable(old) : isRow(field) ? without(old) : old;
            same &= made == old;
            fields.add(new Field(field.name(), field.index(), made));
        }
        return same ? schema : copy(schema, fields);
    }

    private static Schema nullable(Schema schema) {
        return schema.isOptional() && schema.defaultValue() != null ? copy(schema, null) : schema;
    }

    private static boolean isRow(Field field) {
        return field.name().equals("before") || field.name().equals("after");
    }

    private static Schema copy(Schema of, List<Field> fields) {
        boolean array = of.type() == Schema.Type.ARRAY;
        boolean map = of.type() == Schema.Type.MAP;
        return new ConnectSchema(
                of.type(),
                of.isOptional(),
                null,
                of.name(),
                of.version(),
                of.doc(),
                of.parameters(),
                of.type() == Schema.Type.STRUCT && fields == null ? of.fields() : fields,
                map ? of.keySchema() : null,
                array || map ? of.valueSchema() : null);
    }

    private static Object moved(Object value, Schema schema) {
        if (!(value instanceof Struct old) || old.schema() == schema) {
            return value;
        }
        Struct made = new Struct(schema);
        for (Field field : schema.fields()) {
            Object inner = old.getWithoutDefault(field.name());
            made.put(field, inner instanceof Struct ? moved(inner, field.schema()) : inner);
        }
        return made;
    }

    @Override
    public void configure(Map<String, ?> configs) {}

    @Override
    public ConfigDef config() {
        return new ConfigDef();
    }

    /** The plugin's version; its first number is the wire's; from the second 1 on it masks. */
    @Override
    public String version() {
        return ExactValues.WIRE + ".1.0";
    }

    @Override
    public void close() {}
}

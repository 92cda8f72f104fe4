package io.afflux.connect;

import io.debezium.spi.converter.RelationalColumn;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/** PostgreSQL's types by their OIDs, which for built-in types are the same on every server. */
final class Types {

    static final int BYTEA = 17;
    static final int MONEY = 790;

    /** A type, its OID, and its array's OID (pg_type.dat of PostgreSQL 18). */
    private static final String BUILT_IN = """
            bool 16 1000 bytea 17 1001 char 18 1002 name 19 1003 int8 20 1016 int2 21 1005 int2vector 22 1006
            int4 23 1007 regproc 24 1008 text 25 1009 oid 26 1028 tid 27 1010 xid 28 1011 cid 29 1012
            oidvector 30 1013 json 114 199 xml 142 143 point 600 1017 lseg 601 1018 path 602 1019 box 603 1020
            polygon 604 1027 line 628 629 cidr 650 651 float4 700 1021 float8 701 1022 circle 718 719
            macaddr8 774 775 money 790 791 macaddr 829 1040 inet 869 1041 aclitem 1033 1034 bpchar 1042 1014
            varchar 1043 1015 date 1082 1182 time 1083 1183 timestamp 1114 1115 timestamptz 1184 1185
            interval 1186 1187 timetz 1266 1270 bit 1560 1561 varbit 1562 1563 numeric 1700 1231
            refcursor 1790 2201 regprocedure 2202 2207 regoper 2203 2208 regoperator 2204 2209 regclass 2205 2210
            regtype 2206 2211 uuid 2950 2951 txid_snapshot 2970 2949 pg_lsn 3220 3221 tsvector 3614 3643
            tsquery 3615 3645 regconfig 3734 3735 regdictionary 3769 3770 jsonb 3802 3807 int4range 3904 3905
            numrange 3906 3907 tsrange 3908 3909 tstzrange 3910 3911 daterange 3912 3913 int8range 3926 3927
            jsonpath 4072 4073 regnamespace 4089 4090 regrole 4096 4097 regcollation 4191 4192
            int4multirange 4451 6150 nummultirange 4532 6151 tsmultirange 4533 6152 tstzmultirange 4534 6153
            datemultirange 4535 6155 int8multirange 4536 6157 pg_snapshot 5038 5039 xid8 5069 271
            """;

    private static final Map<Integer, String> NAMES = new HashMap<>();

    static {
        String[] words = BUILT_IN.strip().split("\\s+");
        for (int i = 0; i < words.length; i += 3) {
            NAMES.put(Integer.valueOf(words[i + 1]), words[i]);
            NAMES.put(Integer.valueOf(words[i + 2]), "_" + words[i]);
        }
    }

    /** bool, int2, int4, int8, oid, float4, float8 and uuid: exact as Debezium hands them over, and never TOASTed. */
    private static final Set<Integer> FIXED_WIDTH = Set.of(16, 21, 23, 20, 26, 700, 701, 2950);

    private Types() {}

    static boolean isFixedWidth(int oid) {
        return FIXED_WIDTH.contains(oid);
    }

    /**
     * The name of a column's type below all domains: as in {@code pg_type.typname} for built-in types; {@code enum}
     * and {@code composite}; else the type's own name as far as it is known, with a leading {@code _} for arrays.
     */
    static String nameOf(RelationalColumn column) {
        String builtIn = NAMES.get(column.nativeType());
        if (builtIn != null) {
            return builtIn;
        }
        String own = column.typeName().substring(column.typeName().lastIndexOf('.') + 1).replace("\"", "");
        return switch (column.jdbcType()) {
            case java.sql.Types.VARCHAR -> "enum";
            case java.sql.Types.STRUCT -> "composite";
            case java.sql.Types.ARRAY -> own.startsWith("_") ? own : "_" + own;
            default -> own;
        };
    }
}

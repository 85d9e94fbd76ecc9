//! Arrays and maps at their edges: separators at the end, places out of range, many elements.

use super::check;

#[test]
fn pairs_are_split_as_java_splits() {
    check(&[
        ("CAST(STR_TO_MAP('a=1,b=2,') AS STRING)", "{a=1, b=2} STRING"),
        ("CAST(STR_TO_MAP('a=1,b=2,,') AS STRING)", "{a=1, b=2} STRING"),
        ("CAST(STR_TO_MAP(',a=1') AS STRING)", "{=NULL, a=1} STRING"),
        ("CARDINALITY(STR_TO_MAP(','))", "0 INT"),
        ("CAST(STR_TO_MAP('a|b', '|', ':') AS STRING)", "{a=NULL, |=NULL, b=NULL} STRING"),
        ("CAST(STR_TO_MAP('ab,c', ',', '') AS STRING)", "{a=b, c=} STRING"),
        ("CAST(STR_TO_MAP('a=1=2') AS STRING)", "{a=1=2} STRING"),
    ]);
}

#[test]
fn places_of_a_slice_stay_within() {
    check(&[
        ("CAST(ARRAY_SLICE(ARRAY[1, 2, 3], 1, -4) AS STRING)", "[1] STRING"),
        ("CAST(ARRAY_SLICE(ARRAY[1, 2, 3], 1, -5) AS STRING)", "[] STRING"),
        ("CAST(ARRAY_SLICE(ARRAY[1, 2, 3], 1, 0) AS STRING)", "[1] STRING"),
        ("CAST(ARRAY_SLICE(ARRAY[1, 2, 3], -9, 2) AS STRING)", "[1, 2] STRING"),
    ]);
}

#[test]
fn many_elements_keep_their_order() {
    check(&[
        (
            "ARRAY_JOIN(ARRAY_DISTINCT(SPLIT('t,s,r,q,p,o,n,m,l,k,j,i,h,g,f,e,d,c,b,a,t,a,k,,z,', ',')), '')",
            "tsrqponmlkjihgfedcbaz STRING",
        ),
        (
            "ARRAY_JOIN(ARRAY_EXCEPT(SPLIT('t,s,r,q,p,o,n,m,l,k,j,i,h,g,f,e,d,c,b,a,t', ','), SPLIT('a,c,e,g,i,k,m,o,q,s,u,w,y,1,2,3,4,5', ',')), '')",
            "trpnljhfdb STRING",
        ),
        (
            "ARRAY_JOIN(ARRAY_INTERSECT(SPLIT('t,s,r,q,p,o,n,m,l,k,j,i,h,g,f,e,d,c,b,a,s', ','), SPLIT('a,c,e,g,i,k,m,o,q,s,u,w,y,1,2,3,4,5', ',')), '')",
            "sqomkigeca STRING",
        ),
        (
            "CAST(STR_TO_MAP('t=1,s=2,r=3,q,p,o,n,m,l,k,j,i,h,g,f,e,d,c,b,a,t=9,a=8') AS STRING)",
            "{t=9, s=2, r=3, q=NULL, p=NULL, o=NULL, n=NULL, m=NULL, l=NULL, k=NULL, j=NULL, i=NULL, h=NULL, g=NULL, f=NULL, e=NULL, d=NULL, c=NULL, b=NULL, a=8} STRING",
        ),
    ]);
}

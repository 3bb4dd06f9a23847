/* The characters of properties of Unicode 16.0, made by scripts/unicode_sets.py, which says how
 * they are written.
 * Names are in lower case, without blanks, hyphens and underlines. Data for charset_names.c. */
#ifndef TS_TEXT_REGEX_UNICODE_SETS_H
#define TS_TEXT_REGEX_UNICODE_SETS_H
#include <stdint.h>

static const struct property {
    const char *names;   /* with a comma behind each */
    uint32_t categories; /* bits of UTF8PROC_CATEGORY_ values */
    const char *differs;
} properties[] = {
    { "adlam,adlm,", 0x0, "Wew3h24941" }, { "ahom,", 0x0, "Wub2Q2E4M" }, { "alnum,", 0x630,
    "X2P6Pw10AM1U1Y6134l61Qr40TG2132106012101J1o21g48b51b19e1d1D10111110e2Am1C16G0b36432140Z10U"
    "Fc3Ab31381213g30y1B366Js112E1152A1T2w162121A0A1T2w14412140U130B2w171211L1M242w16212191A1U0"
    "x143212A0e14v16121281B1T2w16121281B1F0C3w161212A0A1T2h251017I1z1026I0Z302511G0Z5I9A1Z1k3B1"
    "023N342122633DB10A32b110502g122WLr225qO1U1U1U1Y2Iy51Y10s3B48-64v192Jg21B2n14m1Ey12U821v1Ao"
    "1If2A5g122W2h1_1C1X1u1X1Br8252b125271010101U2q11610321633254C5216b804029103460101013154023"
    "5440q11nPp1su1x32c36331Cb11050o5VWYUj1674R21Y4j21M331z1211017O1307080N4u21o1F10v10c14SBj13"
    "m1Bb10Z2DC081j12o10122150i1450w1g1587l2Z17ruJ6C460YW1P6PxW14b4l2W3Z14Z1q3A1E16111A1E1611aY"
    "121153mJo1Do1n13e1L306Lb91l20Z82r1Dj11B2j1890z12a1BI1v12m1CE1y28206020z49N3w162121A0A1q281"
    "0201311d3C12g3Hj7626T1o2E10g3Ad3DX8Cd3_1m2511213010k462540S9g1413IAk1DtC716p2L1Dw353011121"
    "030Y241113yA39110m1632zkGGne3_1l601s173z21ibJ0Xx5q21c2112021231B10161W21327161R131410361pA"
    "2O1O1U1O1U1O1U1O1U1O17qv191J65r661G261114a30mZ2Z230e_1P6P6P" }, { "alphabetic,alpha,", 0x430,
    "X2P6Pw10AM1U1Y6134l61Qr40TG2132106012101J1o21g48b51b19e1d1D10111110e2Am1C16G0b36432140Z10U"
    "Fc3Ab31381213g30y1B366Js112E1152A1T2w162121A0A1T2w14412140U130B2w171211L1M242w16212191A1U0"
    "x143212A0e14v16121281B1T2w16121281B1F0C3w161212A0A1T2h251017I1z1026I0Z302511G0Z5I9A1Z1k3B1"
    "023N342122633DB10A32b110502g122WLr225qO1U1U1U1Y2Iy51Y10s3B48-64v192Jg21B2n14m1Ey12U821v1Ao"
    "1If2A5g122W2h1_1C1X1u1X1Br8252b125271010101U2q11610321633254C5216b804029103460101013154023"
    "5440q11nPp1su1x32c36331Cb11050o5VWYUj1674R21Y4j21M331z1211017O1307080N4u21o1F10v10c14SBj13"
    "m1Bb10Z2DC081j12o10122150i1450w1g1587l2Z17ruJ6C460YW1P6PxW14b4l2W3Z14Z1q3A1E16111A1E1611aY"
    "121153mJo1Do1n13e1L306Lb91l20Z82r1Dj11B2j1890z12a1BI1v12m1CE1y28206020z49N3w162121A0A1q281"
    "0201311d3C12g3Hj7626T1o2E10g3Ad3DX8Cd3_1m2511213010k462540S9g1413IAk1DtC716p2L1Dw353011121"
    "030Y241113yA39110m1632zkGGne3_1l601s173z21ibJ0Xx5q21c2112021231B10161W21327161R131410361pA"
    "2O1O1U1O1U1O1U1O1U1O17qv191J65r661G261114a30mZ2Z230e_1P6P6P" }, { "anatolianhieroglyphs,hluw,",
    0x0, "WWn2cI" }, { "any,", 0x0, "0__r1WW2__dW1" }, { "arabic,arab,", 0x0,
    "Wm14151D121V19BP1h31X1m2l1m7U115g21Smoy1o3GgB2l22r170W1Fm341c4Zx3UZ22t13Wut131Q11102019131"
    "01060401010121110201010101011102316131310191G52141Gq11" }, { "armenian,armn,", 0x0,
    "nf1b12n122Ziz14" }, { "asciihexdigit,ahex,xdigit,", 0x0, "m1975Q5" }, { "assigned,",
    0x28400a20,
    "0l1Ah31121201024203x7134l61Y72546101J1-61i51b12n1401s1h11H72B12W10AKA320Z30162913ID30UQx2A"
    "w1A1322MN2EQ220f10E8f1O1W1s121H16A3A1F2u1016212290A1E1701122u1014412230U131A2u10171212K1C1"
    "8512u1016212272A1U0x14321390X1064t1016121371B1J093t1016121371B1F0C3t1116121390A1T2c2045101"
    "7I2y10264069A1r20289016r1E1031R01016n1M5A1Z1909441m2JB56342122633DB10A32b110502l1zIBt1r225"
    "20jJ0H0Q1k25X13S4R1U1W2d110Y1D10p10X21Y10s3B4B81n6421r191S20W1D2Un14l1G91A6A895UCu1D83a1J3"
    "4u1I5g12A8O4060226rG252b125271010101U2q11E1D251I22181A5P5m1H085A41C3W1FW1H0402910256010101"
    "315402D1020He1745140202070V12010Vh883K171n20UOe15rE090s17l30u7Dg2_1W8_Fm1K25p5a768531d1105"
    "0X21E0W3l32BYD3101A2B1K2310x2510w23suR0Yd17i83m1j11m1c2H8k41z1211017L412703040N440B0x1381o"
    "1H81GH621020c19NCB0W13l1Q10E151Y2DC081E3G0A2o1012215110R2B613v1x14l2Z1AouJ6C460A0e4GxB1y50"
    "3P6o11I13r4EAh2A0j11W231123p82z1q1e40Y70W3080h14a10m15g1l2W3Z14Z1p3B1E16111A1E1611ZE51f118"
    "y40d60V0X621153e1240G8c10b3196Y26v23Z7o1Do1n13c101L3S81x82k23c2A44e17s32r1LY1021A3j1C14z12"
    "a1DB311i12A2m1D4AB012i2I20d30r1BL3t1116212290A12634Z281020131410111181o2H44A111n2J20e762V4"
    "1o2JSC-1C10Z3EG2j7Fa3_1m2511231014g46261010S9e161C9Ak1I14z29t60j271714g11W1L1Dw3530111610Y"
    "241114xA57110m163HA0Y43U0WW1k314yx21jY106EecBH-f21W45w1B44xF2e14m6_1N3q501s17GW24B1-_F3161"
    "1-a32Wp4j12M-G4358726U3q42xDq21c2112021231B10161W21327161R131410361pA2Z9qHs14n180E024F41Em"
    "Y191J65r661G2611145z1X10W5DmB0z13F0hF4-71F0mM6f1h2I1mQ0_H1fe14WeZOl7" }, { "avestan,avst,",
    0x0, "WuY2r136" }, { "balinese,bali,", 0x0, "Wu6i21n1" }, { "bamum,bamu,", 0x0, "Wrf1t2eem1uH"
    }, { "bassavah,bass,", 0x0, "msw2T25" }, { "batak,batk,", 0x0, "W-6p183" }, { "bengali,beng,",
    0x0, "Wi2317212L1610332821238041142O" }, { "bhaiksuki,bhks,", 0x0, "WWd281i11DAS" }, {
    "bidicontrol,bidic,", 0x0, "ym10nl61Q4t13" }, { "blank,", 0x800000, "90" }, { "bopomofo,bopo,",
    0x0, "gN1vmBg1m3V" }, { "brahmi,brah,", 0x0, "WWa2j24Z190" }, {
    "braille,brai,inbraillepatterns,", 0x0, "WWA_7" }, { "buginese,bugi,", 0x0, "Wm6R21" }, {
    "buhid,buhd,", 0x0, "Ww5J" }, { "c,other,", 0x2c000001, "" }, { "canadianaboriginal,cans,", 0x0,
    "WW5_JmHb2wjW2F" }, { "carian,cari,", 0x0, "WrW2m1" }, { "cased,", 0x0,
    "X2P6Pl10A0405M1U1Y6134l61Z171U4W30g132123106012101J1o21g48b51b19e1tu2b110502g113WLr225Ya2A"
    "5g122W2_5W2r8252b125271010101U2q11610321633254C5216q30D0GCb3040291034601010131540235440HV3"
    "1nPp1su1a76331Cb11050oeUj1ITa4b3331z1211017L412rPg11D6l2WwJ6C4fW1P6Pbb1l2W3Z14Z1q3A1E16111"
    "A1E1611ZE0221f118bc1o1Do1z2LALwu2_1WhL_1WiPq21c2112021231B10161W21327161R131410361pA2O1O1U"
    "1O1U1O1U1O1U1O17qv191J65b8z1oa2Z2i_1P6P6P" }, { "caseignorable,ci,", 0x8200150,
    "d1060B0y30lM0tE0q40Zn61A020hlt10-1020n5060B0" }, { "caucasianalbanian,aghb,", 0x0, "mfX2p1B0"
    }, { "cc,control,cntrl,", 0x4000000, "" }, { "cf,format,", 0x8000000, "" }, { "chakma,cakm,",
    0x0, "Wea2q11H" }, { "cham,", 0x0, "Wmg1s19D2923" }, { "changeswhencasefolded,cwcf,", 0xa,
    "r50f10f30r10bE0y30D6P130nC0um3r225Ya28nG1a778787A220A220g1220g8040322220346030312110A150QF"
    "cQPWrX1l2WwJ6C4eds1PQPQPQ01120212317QPQ1132716R113141036RPQPQPQPQPQPUOX1OX1OX1OX1OX10" }, {
    "changeswhencasemapped,cwcm,", 0x0,
    "X2P6Pw10AM1U1_11p21R2D21104y21H6Q1110113113142011207020113550A1c50g132132106012101J1k13W11"
    "41a48b51b1Ac1uu2b110502g122WLr225Ya2A5g122v5030G0n3x4201r3252b125271010101U2q1161032163325"
    "4C5216f903160R0HV31nPp1su1m311117b37331Cb11050oeUj1IRc4D2z19E32241O1T2146O1yQ0Sl2WwJ6C4fW1"
    "P6Pbb1l2W3Z14Z1q3A1E16111A1E1611Zs1o1Do1z2LALwu2_1WhL_1WqUZ2" }, {
    "changeswhenlowercased,cwl,", 0xa,
    "oU2jf7040322220346030312110A150QFcQPmvh3PQPQPQ01120212317QPQ1132716R113141036RPQPQPQPQPQPU"
    "OX1OX1OX1OX1OX10" }, { "changeswhentitlecased,cwt,", 0x4,
    "u90q20S1E030502020c10l10I5R02010222040511021161110226410172Gr40s50ZB0d10dw2g122WW3h1_1C221"
    "F1BX8110gJ03130R040402183c1FmQPdy102024e30hoU1_17L060P0Z1010a10rPY11658nbg2PQ61HQPQ310161A"
    "QPQPQPQPQPQPQPQPQRSO15QO15QO15QO15QO1510qv191J65" }, { "changeswhenuppercased,cwu,", 0xc,
    "u90q20S1E030Y30I5R02010222040511021161110226410172Gr40s50ZB0d10tx5h1_1C221F1BX8110gJ03130R"
    "040402183c1FmQPdy102024e30hoU1_17L060P0Z1010a10rPY11658nbg2PQ61HQPQ310161AQPQPQPQPQPQPQPQP"
    "QRSO15QO15QO15QO15QO1510qv191J65" }, { "cherokee,cher,", 0x0, "Wz4r225oxb1l2" }, {
    "chorasmian,chrs,", 0x0, "mzZ2R" }, { "cn,unassigned,", 0x1, "" }, { "co,privateuse,",
    0x20000000, "" }, { "common,zyyy,", 0x0,
    "0W2Q5Qk11E14N0V0XEc1542Jq30906010zJ060E030W10y40aG0X41vc10rC3Y90ll12d21h6110jc10D073151220"
    "bOB2s21A3A1EHW1_1b112251Q1Gf124vKMAL_SW8pJ2V1e3WGz2oCK101OF743x2130w21p4FW1b190m1_1Vm2l10u"
    "2d5Wk6_1WeMX1c32b59q70W50hC0E1okK1m69MY11I13p401VQ5QAA0j11W2616A4Y824i138m2Cp1i1a7Qajk13yw"
    "3v76pDy4p3y1r7Ac12z13G817T4y1r6JCJCs29Od4q21c2112021231B10161W21327161R131410361pA2Z92n1nZ"
    "5Z2i2y1YMh14Z3CE2E1E1a1Aj5u1P11Dh14871E5w4tU4G3C3s34-26B40FB4t1896d18T2B41-1pACD2C395t17E2"
    "A687o41b3dWXO0U_2" }, { "coptic,copt,qaac,", 0x0, "YVDmaAp356" }, {
    "cs,surrogate,inhighsurrogates,inhighprivateusesurrogates,inlowsurrogates,", 0x0, "" }, {
    "cuneiform,xsux,", 0x0, "WWe2vSc3k314BZ6" }, { "cypriot,cprt,", 0x0, "WWY25201h1113020" }, {
    "cyprominoan,cpmn,", 0x0, "myh2Y3" }, { "cyrillic,cyrl,", 0x0,
    "WW1a42e5mw5AW50i20dZ4VWYU_2kyL1Wmu1z1X10" }, { "dash,", 0x2000, "pY80d10F0cC0" }, {
    "defaultignorablecodepoint,di,", 0x0,
    "j50XL0iM0Yw21po11r24x_14Q4n1Fqd40xap1Fl70W50l28dbl13lc57bqhO__3" }, { "deprecated,dep,", 0x0,
    "fA0ff10Ze2010fX21bc25vL1sctR0" }, { "deseret,dsrt,indeseret,", 0x0, "WWX2l2" }, {
    "devanagari,deva,", 0x0, "We2m24E2PWxd1VWmS9" }, { "diacritic,dia,", 0x200000,
    "t50uFH4BE47010Hk21755H050e84n60t1G1Q101110c4741c414132Z2Qx2Aw1AY11k30F7f19GRz10G033S0g20G0"
    "k30G0k30G0l12y10G070t30k30G0k30G0j31G0y30l30C510h30D4h21R0101041Y2211-10m3011e1144P610A1XM"
    "2qT1U0q4A90xA2a90K720m1E2Ae30F0c18s11w10B1Y21W25o2O406022o1-1v2Bb1Alt32z90wF5f31X30ohT0C11"
    "0S1o21b18e30l31C0b10t40RHv13a10_20C0a10r42X23p10b3390Y41mvJ0p4GzIFWA0j11WQ0_a151f118zJ240b"
    "51xH5c10Q4lC2c2An13W60f10e21u31-10i2092e31o51m21G0O634v2211D1_2030x31x71-30s31p30j81Y8140y"
    "40p20I0n20bD0Y8011n20fD1N0id5EvcB0Wk24x16qH1YHGm21-_F31611Xu7j12MWH2358726U3Yq3z1Y66tB0z13"
    "-N1WN6j3212mr24" }, { "divesakuru,diak,", 0x0, "Wec262027111T112B99" }, { "dogra,dogr,", 0x0,
    "WWc2x1" }, { "duployan,dupl,", 0x0, "WWl3g35C387923" }, { "egyptianhieroglyphs,egyp,", 0x0,
    "WWi2rY1Awy3" }, { "elbasan,elba,", 0x0, "WeX2d1" }, { "elymaic,elym,", 0x0, "W_Z2M" }, {
    "emoji,", 0x0,
    "Z106059l3040jy70C0u60M0w25F1lB1C0c50PA42d60d71A090w1314902021204020112030318250105BB120111"
    "0I021I5101131502141B15120511011K155132040202510201010603060A1F02040104210B1m1290E0E0qB1lE2"
    "J1p1040wc10C0vI010ghl30g60W51C1E029h2P11N0K028L1k5X12l321122o2221c81-1B51N7127C0232041D120"
    "819052C28220104060306r2m1b257224930113029Z7B40x8k1191u5m3C395t17E2A68" }, {
    "emojicomponent,ecomp,", 0x0, "Z106059p-70r60hft10s-y1PxF4mj13ipXO_2" }, {
    "emojimodifier,emod,", 0x0, "x_y34" }, { "emojimodifierbase,ebase,", 0x0,
    "zm90x60G3tZp30y122022r312ALI3042127010O0f6140L041k5234p20G290B0_H02087609922u10z111110H21C"
    "b72g18" }, { "emojipresentation,epres,", 0x0,
    "wu81j633020fG1L1o1Bh10J0D081H1518050L0711040207041S0Z10104210z12O0E0xQ1p1040kbn30g60-5029h"
    "2P10O0K02412L1k5W1C81b21LCg144CG303c2101w52-1D31NI0Q1D0s2q2m1b260322243B178Z7B40x8k1191u5m"
    "3C395t17E2A68" }, { "ethiopic,ethi,", 0x0,
    "Wm4e2132610132e1132W1132610132E1u1132Y22V3Pcl6M9616161616161616YfV525259616nbl2613111E" }, {
    "extendedpictographic,extpict,", 0x0,
    "f5040jy70C0u60M0w25F1lB1C0_20c20PA42d60d71A090w13151B1n3Ar32A1010603060A1F02040104210B4j12"
    "90E0E0qB1lE2J1p1040wc10C0vI010chl3_7D2V0y15C1E029Iu1REA0K028139nD5z98f8m1_3q3Br2g1C3u17A5e"
    "17Un2Ck1191uDW8zV" }, { "extender,ext,", 0x0,
    "t50uG1kR0vD0sJ0f40v20mN0_30Zg20u10ZJ0kC0a20fy40h14d31z22suR0sl10YU0M0f40i30L1xZL0mW21hk10R"
    "040dc10b90q31oF2lc10fbK1ya1110ugS1nb10qQ2" }, { "garay,gara,", 0x0, "WgZ2b13S81" }, {
    "georgian,geor,", 0x0, "Wb4b110502g113my2g122WY4b11050" }, { "glagolitic,glag,", 0x0,
    "WWB_2Wzi361G261114" }, { "gothic,goth,", 0x0, "mvW2Q" }, { "grantha,gran,", 0x0,
    "Wua2317212L1611142821222060562634" }, { "graph,", 0x28400a20,
    "X1EAa2Y141121201024203x7134l61Y72546101J1-61i51b12n1401s1h11H72B12W10AKA320Z30162913ID30UQ"
    "x2Aw1A1322MN2EQ220f10E8f1O1W1s121H16A3A1F2u1016212290A1E1701122u1014412230U131A2u10171212K"
    "1C18512u1016212272A1U0x14321390X1064t1016121371B1J093t1016121371B1F0C3t1116121390A1T2c2045"
    "1017I2y10264069A1r20289016r1E1031R01016n1M5A1Z1909441m2JB56342122633DB10A32b110502l1zIBt1r"
    "22520jJ0i11k25X13S4R1U1W2d110Y1D10p10X21Y10s3B4B81n6421r191S20W1D2Un14l1G91A6A895UCu1D83a1"
    "J34u1I5g12A8O4060226rG252b125271010101U2q11E1D251I2218HN8k1I085A41C3W1FW1H0402910256010101"
    "315402D1020He1745140202070V12010Vh883K171n20UOe15rE090s17l30u7Dg2_1W8_Fm1K25p5a768531d1105"
    "0X21E0W3l32BZD2101A2B1K2310x2510w23suR0Yd17i83m1j11m1c2H8k41z1211017L412703040N440B0x1381o"
    "1H81GH621020c19NCB0W13l1Q10E151Y2DC081E3G0A2o1012215110R2B613v1x14l2Z1AouJ6C460A0e4GxB1y50"
    "3P6o11I13r4EAh2A0j11W231123p82z1q1e40Y70W3080h14a10m15g1l2W3Z14Z1p3B1E16111A1E1611ZE51f118"
    "y40d60V0X621153e1240G8c10b3196Y26v23Z7o1Do1n13c101L3S81x82k23c2A44e17s32r1LY1021A3j1C14z12"
    "a1DB311i12A2m1D4AB012i2I20d30r1BL3t1116212290A12634Z281020131410111181o2H44A111n2J20e762V4"
    "1o2JSC-1C10Z3EG2j7Fa3_1m2511231014g46261010S9e161C9Ak1I14z29t60j271714g11W1L1Dw3530111610Y"
    "241114xA57110m163HA0Y43U0WW1k314yx21jY106EecBH-f21W45w1B44xF2e14m6_1N3q501s17GW24B1-_F3161"
    "1-a32Wp4j12M-G4358726U3q42xDq21c2112021231B10161W21327161R131410361pA2Z9qHs14n180E024F41Em"
    "Y191J65r661G2611145z1X10W5DmB0z13F0hF4-71F0mM6f1h2I1mQ0_H1fe14WeZOl7" }, {
    "graphemebase,grbase,", 0xd40ea0,
    "e111010E22Q1X1f102120102120204w7134l61g3m3723104212101J1-68b51b1206e110p10d22t10a51j8140V0"
    "9030_20W20d50i20O0cB0O0c30O0e7010411191d30O0t30F0c30_30p33YBb110502g113WLr22520wK1u30U0Y50"
    "k10y10ZJ0j40501051b30d21a452A5g122W2_5W2r8252b125271010101U2q11E1D251I2218H527P14132B010S0"
    "85A41Cb30402910256010101315402D1020q11B45140202070V12010Vh883K171n20UOe15rE090s17l30u7Dg2_"
    "1W8_Fm1K25p5a76331Cb11050X20o4331119020112950A14010I8dD0292BE750_2310x22suR0Yd15k80p1j1HUY"
    "3k41z1211017L412uA0i30E0M0f40i30L1x1x14l2WwJ6C4H0e4GxB1t61OJ21428634X511010E22Q1Z111C0n315"
    "3pW1l2W3Z14Z1q3A1E16111A1E1611ZE51f118bc1o1Do1x201L8N81z80oO0q30e80E090W3090201250W70C0n70"
    "c80fF_1m20C0Zm10-_I3yF2e11p6_1p8CW2110C1-_F31611ch8165jKq21c2112021231B10161W21327161R1314"
    "10361pA2Z9qv191J65b8z1f66jT0qW1Z270aj11fe14" }, { "graphemeextend,grext,", 0x140,
    "-j20O0cB0O0c30O0e7010411191d30O0t30F0rf20U0WW10501051b30d21uW10XX41ZfU0i30zkL1Wn40q30e80E0"
    "90W3090201250W70C0n70c80vJ0C0Zm10kbK1phO165jrhO_2" }, { "graphemelink,grlink,", 0x0,
    "jg20_30_30_30_30_30_30_30j31G0y30l30_30f60q51vs11U0z40jK0Z70b31c21hi40cqU0b10t40k40i30r90s"
    "70noN0cm10f10E0v10v31h40q30q50Y30W42n30_30y70_30s30q30j80Z81X50p20I0n20bD0a81n20fD1ilG0" }, {
    "greek,grek,", 0x0,
    "mR3122310401012101J1-1EFcf64o1444q20WAL252b125271010101U2q11E1D251I2218d90-nY10wkLk2H0_Yq1"
    "b2" }, { "gujarati,gujr,", 0x0, "Xq2218121L16111429121220F32B76" }, { "gunjalagondi,gong,",
    0x0, "Whd25111a1111579" }, { "gurmukhi,guru,", 0x0, "Xm2215412L16111111201441223073107G" }, {
    "gurungkhema,gukh,", 0x0, "Weu2v1" }, { "han,hani,", 0x0,
    "WqBP1u2Cr6l1010P8E3aU_j6W2_lKWeMjB2f3eeT1C1kWa1_sf1W1vX46z62Xq5Emf7FjJYj2zGYl1gw45_Y4" }, {
    "hangul,hang,", 0x0, "We4_7kn71X8z2n3UX2UXtTSZKZzACM4m1az9U35252522" }, {
    "hanifirohingya,rohg,", 0x0, "WeZ2d189" }, { "hanunoo,hano,", 0x0, "Wv5K" }, { "hatran,hatr,",
    0x0, "WdY2I1154" }, { "hebrew,hebr,", 0x0, "ni1s18Q45efz1P1410111119" }, { "hexdigit,hex,", 0x0,
    "m1975Q5fr_1975Q5" }, { "hiragana,hira,", 0x0, "XYCr262Xx_2-8I0T2jbG0" }, { "hyphen,", 0x0,
    "j10_30yc10xp40fW21bm30ZN0dhp10f50t20" }, { "idcompatmathcontinue,", 0x0,
    "o5150sz703A1EpB040M0Ybj30P0V0P0V0P0V0P0V0P0" }, { "idcompatmathstart,", 0x0,
    "Ym8040M0Ybj30P0V0P0V0P0V0P0V0P0" }, { "idcontinue,idc,", 0x16e0,
    "X2P6Pw10108M1U1Y6134l61i14BE47010X4411231064101J1o21g48b51b1206e1t50a51j8140V09030W50d50qc"
    "10_30vEb110502g113fJ8k1r225vU0h30sC0i60mE52A5g122W2_5W2r8252b125271010101U2q11610321633254"
    "C5216F1Z30D0GCb30402910256010101A40235440q11xp2a76331Cb11050X20rK0h1450_23y23suR0Yd15k80p1"
    "j1HUv382c3231z1211017L412qE0M0f40i30L1x1g11D6l2WwJ6C4fW1P6PA0A0j11WZ1l2W3Z14Z1q3A1E16111A1"
    "E1611ZE51f118bc1o1Do1x201L9Mwu2_1WpK3yF2e11p6_1p8CW2110iWG31611XW9q21c2112021231B10161W213"
    "27161R131410361pA2O1O1U1O1U1O1U1O1U1O17qv191J65b8z1f66jT0qW1Z270" }, { "ideographic,ideo,",
    0x0, "cWC1P8E2bU_j6W2_lKWeMjB2f3geT0Rt_58rc1f19dZ9hCaeJ_sf1W1vX46z62Xq5Emf7FjJYj2zGYl1gw45_Y4"
    }, { "idsbinaryoperator,idsb,", 0x0, "m_B129nF0" }, { "idstart,ids,", 0x430,
    "X2P6Pw10AM1U1Y6134l61QW632132106012101J1o21g48b51b19e1tu2b110502g122WLr225da11vVA5g122W2h1"
    "_1C1X1b3r8252b125271010101U2q11610321633254C5216b80402910256010101A40235440q11xp2x32c36331"
    "Cb11050X80hJ1ZjTj1IRc4j21M331z1211017O130rPg1587l2WwJ6C4fW1P6Pbb1l2W3Z14Z1q3A1E16111A1E161"
    "1Zs1o1Do1z2LALwu2_1WhL_1WiPq21c2112021231B10161W21327161R131410361pA2O1O1U1O1U1O1U1O1U1O17"
    "qv191J65rk2Z2" }, { "idstrinaryoperator,idst,", 0x0, "o_B1" }, { "idsunaryoperator,idsu,", 0x0,
    "-_B1" }, { "imperialaramaic,armi,", 0x0, "WYY2L18" }, { "inadlam,", 0x0, "Wew3_2" }, {
    "inaegeannumbers,", 0x0, "WeW2_1" }, { "inahom,", 0x0, "Wub2l2" }, { "inalchemicalsymbols,",
    0x0, "Wuz3_3" }, { "inalphabeticpresentationforms,", 0x0, "Wu-1l2" }, {
    "inanatolianhieroglyphs,", 0x0, "WWn2_J" }, { "inancientgreekmusicalnotation,", 0x0, "Wmq3l2" },
    { "inancientgreeknumbers,", 0x0, "WgW2l2" }, { "inancientsymbols,", 0x0, "miW2_1" }, {
    "inarabic,", 0x0, "Wm1_7" }, { "inarabicextendeda,", 0x0, "Wb2_2" }, { "inarabicextendedb,",
    0x0, "mZ2l1" }, { "inarabicextendedc,", 0x0, "WsZ2_1" }, {
    "inarabicmathematicalalphabeticsymbols,", 0x0, "Wmx3_7" }, { "inarabicpresentationformsa,", 0x0,
    "mw-1lL" }, { "inarabicpresentationformsb,", 0x0, "mp_1l4" }, { "inarabicsupplement,", 0x0,
    "mw1l1" }, { "inarmenian,", 0x0, "mf1_2" }, { "inarrows,", 0x0, "mi8l3" }, { "inavestan,", 0x0,
    "WuY2_1" }, { "inbalinese,", 0x0, "Wu6_3" }, { "inbamum,", 0x0, "Wrf1_2" }, {
    "inbamumsupplement,", 0x0, "WWw2_H" }, { "inbasiclatin,ascii,", 0x0, "0_3" }, { "inbassavah,",
    0x0, "msw2l1" }, { "inbatak,", 0x0, "W-6_1" }, { "inbengali,", 0x0, "Wi2_3" }, { "inbhaiksuki,",
    0x0, "WWd2l3" }, { "inblockelements,", 0x0, "Wi9V" }, { "inbopomofo,", 0x0, "WeCl1" }, {
    "inbopomofoextended,", 0x0, "WjCV" }, { "inboxdrawing,", 0x0, "We9_3" }, { "inbrahmi,", 0x0,
    "WWa2_3" }, { "inbuginese,", 0x0, "Wm6V" }, { "inbuhid,", 0x0, "Ww5V" }, {
    "inbyzantinemusicalsymbols,", 0x0, "WWq3_7" }, { "incarian,", 0x0, "WrW2_1" }, {
    "incaucasianalbanian,", 0x0, "mfX2_1" }, { "incb,", 0x140,
    "WOl3p86d8i110111110e2Am1KG0b36252113Z10UQx2Aw1890O3181214h12x18g1N1Vt10104786A1T0w1043T1Q0"
    "21v1041412230U130B1v104411P1M510w102013G1B1U0z10C0o1030t1012521281B1T0w10206051K1S1v1143I0"
    "t30F0rf20U0WW10501051b30d21vW10WX41ZfU0i30zkL1Wn40q30e80E090W3090201250W70C0n70c80vJ0C0Zm1"
    "0kbK1phO165eq84WXZO_2" }, { "inchakma,", 0x0, "Wea2l2" }, { "incham,", 0x0, "Wmg1_2" }, {
    "incherokee,", 0x0, "Wz4_2" }, { "incherokeesupplement,", 0x0, "mxg1l2" }, { "inchesssymbols,",
    0x0, "Wm-3l3" }, { "inchorasmian,", 0x0, "mzZ2l1" }, { "incjkcompatibility,", 0x0, "WuC_7" }, {
    "incjkcompatibilityforms,", 0x0, "mn_1V" }, { "incjkcompatibilityideographs,", 0x0, "We-1_F" },
    { "incjkcompatibilityideographssupplement,", 0x0, "WW-5_G" }, { "incjkradicalssupplement,", 0x0,
    "WqB_3" }, { "incjkstrokes,", 0x0, "WkCl1" }, { "incjksymbolsandpunctuation,", 0x0, "WWC_1" }, {
    "incjkunifiedideographs,", 0x0, "WmJ_lK" }, { "incjkunifiedideographsextensiona,", 0x0, "WWD_j6"
    }, { "incjkunifiedideographsextensionb,", 0x0, "WWW4_sf1" }, {
    "incjkunifiedideographsextensionc,", 0x0, "Wuf5_X4" }, { "incjkunifiedideographsextensiond,",
    0x0, "Wwj5_6" }, { "incjkunifiedideographsextensione,", 0x0, "WXk5lq5" }, {
    "incjkunifiedideographsextensionf,", 0x0, "mrp5_f7" }, { "incjkunifiedideographsextensiong,",
    0x0, "WWW6lw4" }, { "incjkunifiedideographsextensionh,", 0x0, "mwa6_Y4" }, {
    "incjkunifiedideographsextensioni,", 0x0, "m_w5lJ" }, { "incombiningdiacriticalmarks,", 0x0,
    "WOl3" }, { "incombiningdiacriticalmarksextended,", 0x0, "mr6l2" }, {
    "incombiningdiacriticalmarksforsymbols,", 0x0, "mc8l1" }, {
    "incombiningdiacriticalmarkssupplement,", 0x0, "Wk7_1" }, { "incombininghalfmarks,", 0x0,
    "Wn_1F" }, { "incommonindicnumberforms,", 0x0, "mXg1F" }, { "incontrolpictures,", 0x0, "WW9_1"
    }, { "incoptic,", 0x0, "WaB_3" }, { "incopticepactnumbers,", 0x0, "WtW2V" }, {
    "incountingrodnumerals,", 0x0, "Wxq3V" }, { "incuneiform,", 0x0, "WWe2_V" }, {
    "incuneiformnumbersandpunctuation,", 0x0, "WWf2_3" }, { "incurrencysymbols,", 0x0, "Wb8l1" }, {
    "incypriotsyllabary,", 0x0, "WWY2_1" }, { "incyprominoan,", 0x0, "myh2l3" }, { "incyrillic,",
    0x0, "WW1_7" }, { "incyrillicextendeda,", 0x0, "WlBV" }, { "incyrillicextendedb,", 0x0, "Wof1_2"
    }, { "incyrillicextendedc,", 0x0, "Wa7F" }, { "incyrillicextendedd,", 0x0, "mXu3_2" }, {
    "incyrillicsupplement,", 0x0, "We1l1" }, { "indevanagari,", 0x0, "We2_3" }, {
    "indevanagariextended,", 0x0, "Wdg1V" }, { "indevanagariextendeda,", 0x0, "Wuc2_2" }, {
    "indingbats,", 0x0, "Wu9_5" }, { "indivesakuru,", 0x0, "Wec2_2" }, { "indogra,", 0x0, "WWc2l2"
    }, { "indominotiles,", 0x0, "mXy3l3" }, { "induployan,", 0x0, "WWl3_4" }, {
    "inearlydynasticcuneiform,", 0x0, "Waf2l6" }, { "inegyptianhieroglyphformatcontrols,", 0x0,
    "mXj2l1" }, { "inegyptianhieroglyphs,", 0x0, "WWi2lX1" }, { "inegyptianhieroglyphsextendeda,",
    0x0, "WZj2_y3" }, { "inelbasan,", 0x0, "WeX2l1" }, { "inelymaic,", 0x0, "W_Z2V" }, {
    "inemoticons,", 0x0, "Wmz3l2" }, { "inenclosedalphanumerics,", 0x0, "WZ9_4" }, {
    "inenclosedalphanumericsupplement,", 0x0, "Wey3_7" }, { "inenclosedcjklettersandmonths,", 0x0,
    "WmC_7" }, { "inenclosedideographicsupplement,", 0x0, "Wmy3_7" }, { "inethiopic,", 0x0, "Wm4_B"
    }, { "inethiopicextended,", 0x0, "WiB_2" }, { "inethiopicextendeda,", 0x0, "Wug1l1" }, {
    "inethiopicextendedb,", 0x0, "W_v3V" }, { "inethiopicsupplement,", 0x0, "Wy4V" }, { "ingaray,",
    0x0, "WgZ2l2" }, { "ingeneralpunctuation,", 0x0, "WW8l3" }, { "ingeometricshapes,", 0x0, "Wj9_2"
    }, { "ingeometricshapesextended,", 0x0, "Wyz3_3" }, { "ingeorgian,", 0x0, "Wb4_2" }, {
    "ingeorgianextended,", 0x0, "ma7l1" }, { "ingeorgiansupplement,", 0x0, "WeBl1" }, {
    "inglagolitic,", 0x0, "WWB_2" }, { "inglagoliticsupplement,", 0x0, "WWu3l1" }, { "ingothic,",
    0x0, "mvW2V" }, { "ingrantha,", 0x0, "Wua2_3" }, { "ingreekandcoptic,", 0x0, "mRl4" }, {
    "ingreekextended,", 0x0, "Wu7_7" }, { "ingujarati,", 0x0, "Wq2_3" }, { "ingunjalagondi,", 0x0,
    "Whd2l2" }, { "ingurmukhi,", 0x0, "Wm2_3" }, { "ingurungkhema,", 0x0, "Weu2_1" }, {
    "inhalfwidthandfullwidthforms,", 0x0, "Wu_1l7" }, { "inhangulcompatibilityjamo,", 0x0, "mfC_2"
    }, { "inhanguljamo,", 0x0, "We4_7" }, { "inhanguljamoextendeda,", 0x0, "Whg1V" }, {
    "inhanguljamoextendedb,", 0x0, "mzr1l2" }, { "inhangulsyllables,", 0x0, "WWh1lzA" }, {
    "inhanifirohingya,", 0x0, "WeZ2_1" }, { "inhanunoo,", 0x0, "Wv5V" }, { "inhatran,", 0x0, "WdY2V"
    }, { "inhebrew,", 0x0, "mi1l3" }, { "inherited,qaai,zinh,", 0x0,
    "WOl3r81aEAQ0WN3xg4UXG21C16406031c6_1iG1Y6W1vv33h31bhp1FGDlU0Y70wY40a-k1j12MWH2H726U3owhOl7" },
    { "inhiragana,", 0x0, "WYC_2" }, { "inideographicdescriptioncharacters,", 0x0, "m_BF" }, {
    "inideographicsymbolsandpunctuation,", 0x0, "W_x2V" }, { "inimperialaramaic,", 0x0, "WYY2V" }, {
    "inindicsiyaqnumbers,", 0x0, "mZx3l2" }, { "ininscriptionalpahlavi,", 0x0, "WxY2V" }, {
    "ininscriptionalparthian,", 0x0, "WwY2V" }, { "inipaextensions,", 0x0, "mI_2" }, {
    "injavanese,", 0x0, "Wig1_2" }, { "inkaithi,", 0x0, "Waa2l2" }, { "inkaktoviknumerals,", 0x0,
    "Wsq3V" }, { "inkanaextendeda,", 0x0, "Wei3l1" }, { "inkanaextendedb,", 0x0, "m_h3F" }, {
    "inkanasupplement,", 0x0, "WWi3_7" }, { "inkanbun,", 0x0, "miCF" }, { "inkangxiradicals,", 0x0,
    "WuB_6" }, { "inkannada,", 0x0, "Wa3_3" }, { "inkatakana,", 0x0, "WbC_2" }, {
    "inkatakanaphoneticextensions,", 0x0, "mlCF" }, { "inkawi,", 0x0, "Wud2_2" }, { "inkayahli,",
    0x0, "Weg1l1" }, { "inkharoshthi,", 0x0, "WmY2_2" }, { "inkhitansmallscript,", 0x0, "WuY3_F" },
    { "inkhmer,", 0x0, "Wy5_3" }, { "inkhmersymbols,", 0x0, "Wl6V" }, { "inkhojki,", 0x0, "Wma2l2"
    }, { "inkhudawadi,", 0x0, "mra2l2" }, { "inkiratrai,", 0x0, "Wgx2_1" }, { "inlao,", 0x0, "Wq3_3"
    }, { "inlatin1supplement,", 0x0, "W4_3" }, { "inlatinextendeda,", 0x0, "W8_3" }, {
    "inlatinextendedadditional,", 0x0, "Wm7_7" }, { "inlatinextendedb,", 0x0, "WCl6" }, {
    "inlatinextendedc,", 0x0, "WZBV" }, { "inlatinextendedd,", 0x0, "Wvf1_6" }, {
    "inlatinextendede,", 0x0, "mvg1_1" }, { "inlatinextendedf,", 0x0, "WyX2_1" }, {
    "inlatinextendedg,", 0x0, "Wut3_7" }, { "inlepcha,", 0x0, "WW7l2" }, { "inletterlikesymbols,",
    0x0, "We8l2" }, { "inlimbu,", 0x0, "We6l2" }, { "inlineara,", 0x0, "WmX2_B" }, {
    "inlinearbideograms,", 0x0, "WaW2_3" }, { "inlinearbsyllabary,", 0x0, "WWW2_3" }, { "inlisu,",
    0x0, "mcf1l1" }, { "inlisusupplement,", 0x0, "mzd2F" }, { "inlycian,", 0x0, "WqW2V" }, {
    "inlydian,", 0x0, "WfY2V" }, { "inmahajani,", 0x0, "mga2l1" }, { "inmahjongtiles,", 0x0,
    "WWy3l1" }, { "inmakasar,", 0x0, "Wtd2V" }, { "inmalayalam,", 0x0, "We3_3" }, { "inmandaic,",
    0x0, "WY2V" }, { "inmanichaean,", 0x0, "WsY2_1" }, { "inmarchen,", 0x0, "mZd2l2" }, {
    "inmasaramgondi,", 0x0, "Wed2_2" }, { "inmathematicalalphanumericsymbols,", 0x0, "WWr3_V" }, {
    "inmathematicaloperators,", 0x0, "Wm8_7" }, { "inmayannumerals,", 0x0, "Wtq3V" }, {
    "inmedefaidrin,", 0x0, "Wox2_2" }, { "inmeeteimayek,", 0x0, "W-g1_1" }, {
    "inmeeteimayekextensions,", 0x0, "Wtg1V" }, { "inmendekikakui,", 0x0, "WWw3_6" }, {
    "inmeroiticcursive,", 0x0, "WjY2_2" }, { "inmiao,", 0x0, "Wux2_4" }, {
    "inmiscellaneousmathematicalsymbolsa,", 0x0, "W-9l1" }, {
    "inmiscellaneousmathematicalsymbolsb,", 0x0, "WiA_3" }, { "inmiscellaneoussymbols,", 0x0,
    "Wm9_7" }, { "inmiscellaneoussymbolsandarrows,", 0x0, "WuA_7" }, {
    "inmiscellaneoussymbolsandpictographs,", 0x0, "Wuy3_N" }, { "inmiscellaneoustechnical,", 0x0,
    "Wu8_7" }, { "inmodi,", 0x0, "Wmb2_2" }, { "inmodifiertoneletters,", 0x0, "Wuf1V" }, {
    "inmongolian,", 0x0, "WW6l5" }, { "inmongoliansupplement,", 0x0, "Wpb2V" }, { "inmro,", 0x0,
    "Wow2l1" }, { "inmultani,", 0x0, "Wqa2l1" }, { "inmusicalsymbols,", 0x0, "Weq3_7" }, {
    "inmyanmar,", 0x0, "WW4_4" }, { "inmyanmarextendeda,", 0x0, "Wpg1V" }, { "inmyanmarextendedb,",
    0x0, "Wlg1V" }, { "inmyanmarextendedc,", 0x0, "msb2l1" }, { "innabataean,", 0x0, "WaY2l1" }, {
    "innagmundari,", 0x0, "mcv3l1" }, { "innandinagari,", 0x0, "Wjc2_2" }, { "innewa,", 0x0,
    "WWb2_3" }, { "innewtailue,", 0x0, "Wi6_2" }, { "innko,", 0x0, "W-1_1" }, { "innoblock,", 0x0,
    "W_BFmmq1_3WBVWU_1m5l1W3_1W9Vm7l2m2l1m8l6mVl1WJ_4mEl5m2l2W6_1WE_2W8_1m5l9W4l2Wj1_n2mt5_p6W2"
    "_r1mSlDW2_5W3_2W5_1Wj7lp8mO_d2m5lw3WM_1m6l1mIl3W6_3mr1lY1mCl3m2_9m3lEm1l6m1_EW8VW3lOm2_1m2"
    "l5W8_7WW3_VWtf1VWxH_i2WH_k1mz8lYtLW4_3m7lm_1" }, { "innumberforms,", 0x0, "mg8_1" }, {
    "innushu,", 0x0, "mhi3lC" }, { "innyiakengpuachuehmong,", 0x0, "Weu3l2" }, { "inogham,", 0x0,
    "Wq5V" }, { "inoldhungarian,", 0x0, "WaZ2_3" }, { "inolditalic,", 0x0, "WuW2l1" }, {
    "inoldpermic,", 0x0, "mwW2l1" }, { "inoldpersian,", 0x0, "WzW2_1" }, { "inoldsogdian,", 0x0,
    "WuZ2l1" }, { "inoldturkic,", 0x0, "WWZ2l2" }, { "inolduyghur,", 0x0, "mxZ2_1" }, { "inolonal,",
    0x0, "mkv3l1" }, { "inopticalcharacterrecognition,", 0x0, "WY9V" }, { "inoriya,", 0x0, "Wu2_3"
    }, { "inornamentaldingbats,", 0x0, "moz3l1" }, { "inosage,", 0x0, "mbX2l2" }, { "inosmanya,",
    0x0, "WaX2l1" }, { "inottomansiyaqnumbers,", 0x0, "Wex3l2" }, { "inpahawhhmong,", 0x0, "Wuw2l4"
    }, { "inpaucinhau,", 0x0, "Wsc2_1" }, { "inphagspa,", 0x0, "WYg1_1" }, { "inphaistosdisc,", 0x0,
    "mkW2l1" }, { "inphoenician,", 0x0, "WeY2V" }, { "inphoneticextensions,", 0x0, "We7_3" }, {
    "inphoneticextensionssupplement,", 0x0, "Wi7_1" }, { "inplayingcards,", 0x0, "Wby3_2" }, {
    "inprivateusearea,", 0x0, "WWu1_d6" }, { "inpsalterpahlavi,", 0x0, "WyY2l1" }, { "inrejang,",
    0x0, "mfg1l1" }, { "inruminumeralsymbols,", 0x0, "WpZ2V" }, { "inrunic,", 0x0, "Wr5_2" }, {
    "insamaritan,", 0x0, "WW2_1" }, { "insaurashtra,", 0x0, "Wag1_2" }, {
    "inscriptionalpahlavi,phli,", 0x0, "WxY2I57" }, { "inscriptionalparthian,prti,", 0x0, "WwY2L27"
    }, { "inshorthandformatcontrols,", 0x0, "Wbl3F" }, { "insiddham,", 0x0, "Wib2_3" }, {
    "insinhala,", 0x0, "Wi3_3" }, { "insinhalaarchaicnumbers,", 0x0, "Wla2V" }, {
    "insmallformvariants,", 0x0, "mo_1V" }, { "insmallkanaextension,", 0x0, "mfi3_1" }, {
    "insogdian,", 0x0, "mvZ2_1" }, { "insorasompeng,", 0x0, "mca2l1" }, { "insoyombo,", 0x0,
    "moc2_2" }, { "inspacingmodifierletters,", 0x0, "mLl2" }, { "inspecials,", 0x0, "m__1F" }, {
    "insundanese,", 0x0, "Wy6_1" }, { "insundanesesupplement,", 0x0, "Wc7F" }, { "insunuwar,", 0x0,
    "W-c2_1" }, { "insuperscriptsandsubscripts,", 0x0, "mZ8l1" }, { "insupplementalarrowsa,", 0x0,
    "m_9F" }, { "insupplementalarrowsb,", 0x0, "WeA_3" }, { "insupplementalarrowsc,", 0x0, "WW-3_7"
    }, { "insupplementalmathematicaloperators,", 0x0, "WmA_7" }, { "insupplementalpunctuation,",
    0x0, "WmB_3" }, { "insupplementalsymbolsandpictographs,", 0x0, "We-3_7" }, {
    "insupplementaryprivateuseareaa,", 0x0, "WWWU___1" }, { "insupplementaryprivateuseareab,", 0x0,
    "WWWW1___1" }, { "insuttonsignwriting,", 0x0, "WWs3lL" }, { "insylotinagri,", 0x0, "WWg1l1" }, {
    "insymbolsandpictographsextendeda,", 0x0, "mp-3l4" }, { "insymbolsforlegacycomputing,", 0x0,
    "Wu-3_7" }, { "insymbolsforlegacycomputingsupplement,", 0x0, "WWp3_L" }, { "insyriac,", 0x0,
    "Wu1l2" }, { "insyriacsupplement,", 0x0, "WZ2F" }, { "intagalog,", 0x0, "Wu5V" }, {
    "intagbanwa,", 0x0, "Wx5V" }, { "intags,", 0x0, "WWWS_3" }, { "intaile,", 0x0, "mg6l1" }, {
    "intaitham,", 0x0, "Wn6l4" }, { "intaiviet,", 0x0, "Wqg1_2" }, { "intaixuanjingsymbols,", 0x0,
    "Wuq3_2" }, { "intakri,", 0x0, "Wqb2l2" }, { "intamil,", 0x0, "Wy2_3" }, { "intamilsupplement,",
    0x0, "W-d2_1" }, { "intangsa,", 0x0, "mpw2_2" }, { "intangut,", 0x0, "WWy2__5" }, {
    "intangutcomponents,", 0x0, "WWY3_N" }, { "intangutsupplement,", 0x0, "WeZ3_3" }, { "intelugu,",
    0x0, "WW3_3" }, { "inthaana,", 0x0, "Wy1_1" }, { "inthai,", 0x0, "Wm3_3" }, { "intibetan,", 0x0,
    "Wu3_7" }, { "intifinagh,", 0x0, "mfBl2" }, { "intirhuta,", 0x0, "Wab2_2" }, { "intodhri,", 0x0,
    "WkX2_1" }, { "intoto,", 0x0, "mqu3l1" }, { "intransportandmapsymbols,", 0x0, "Wqz3_3" }, {
    "intulutigalari,", 0x0, "Wya2_3" }, { "inugaritic,", 0x0, "WyW2V" }, {
    "inunifiedcanadianaboriginalsyllabics,", 0x0, "WW5_J" }, {
    "inunifiedcanadianaboriginalsyllabicsextended,", 0x0, "mb6l2" }, {
    "inunifiedcanadianaboriginalsyllabicsextendeda,", 0x0, "mrc2F" }, { "invai,", 0x0, "Wef1_9" }, {
    "invariationselectors,", 0x0, "Wm_1F" }, { "invariationselectorssupplement,", 0x0, "WeWSl7" }, {
    "invedicextensions,", 0x0, "mc7l1" }, { "inverticalforms,", 0x0, "mm_1F" }, { "invithkuqi,",
    0x0, "mhX2l2" }, { "inwancho,", 0x0, "Wsu3_1" }, { "inwarangciti,", 0x0, "Wbc2_2" }, {
    "inyezidi,", 0x0, "WqZ2_1" }, { "inyijinghexagramsymbols,", 0x0, "WkJ_1" }, { "inyiradicals,",
    0x0, "maf1_1" }, { "inyisyllables,", 0x0, "WWe1la1" }, { "inzanabazarsquare,", 0x0, "Wmc2l2" },
    { "inznamennymusicalnotation,", 0x0, "Wup3l6" }, { "javanese,java,", 0x0, "Wig1j22941" }, {
    "joincontrol,joinc,", 0x0, "iW81" }, { "kaithi,kthi,", 0x0, "Waa2Y2A0" }, { "kannada,knda,",
    0x0, "Wa3C121M19142812137161132912" }, { "katakana,kana,", 0x0,
    "XbCv222m7Fm6k11t2kWp191i1oYi13161110_82o10E3" }, { "kawi,", 0x0, "Wud2G1e13S" }, {
    "kayahli,kali,", 0x0, "Weg1j110" }, { "kharoshthi,khar,", 0x0, "WmY231157121S224978" }, {
    "khitansmallscript,kits,", 0x0, "a_x20xu6rEf10" }, { "khmer,khmr,", 0x0, "Wy5z22969cFV" }, {
    "khojki,khoj,", 0x0, "Wma2H1k1" }, { "khudawadi,sind,", 0x0, "mra2w159" }, { "kiratrai,krai,",
    0x0, "Wgx2v1" }, { "l,letter,", 0x30,
    "X2P6Pw10AM1U1Y6134l61QW632132106012101J1o21g48b51b19e1tu2b110502g122WLr225Ya2A5g122W2h1_1C"
    "1X1b3r8252b125271010101U2q11610321633254C5216b8040291034601010131540235440q11xp2x32c36331C"
    "b11050oeUj1IRc4j21M331z1211017O130rPg1587l2WwJ6C4fW1P6Pbb1l2W3Z14Z1q3A1E16111A1E1611Zs1o1D"
    "o1z2LALwu2_1WhL_1WiPq21c2112021231B10161W21327161R131410361pA2O1O1U1O1U1O1U1O1U1O17qv191J6"
    "5rk2Z2" }, { "lao,laoo,", 0x0, "Xq3110141N101M2410161923" }, { "latin,latn,", 0x0,
    "X2P6Pl10F05M1U1WEd14xm6b16m1535C1b2X2_7nB0D0GCj4160R0He1ts2VYrUb33Y2211017LDmPg11813syJ6wW"
    "1P6PbX251f118bwr1U65" }, { "lc,casedletter,", 0x0,
    "X2P6Pw10AM1U1Y6134l61QW632132106012101J1o21g48b51b19e1tu2b110502g122WLr225Ya2A5g122W2h1_1C"
    "1X1b3r8252b125271010101U2q11610321633254C5216b8040291034601010131540235440q11xp2x32c36331C"
    "b11050oeUj1IRc4j21M331z1211017O130rPg1587l2WwJ6C4fW1P6Pbb1l2W3Z14Z1q3A1E16111A1E1611Zs1o1D"
    "o1z2LALwu2_1WhL_1WiPq21c2112021231B10161W21327161R131410361pA2O1O1U1O1U1O1U1O1U1O17qv191J6"
    "5rk2Z2" }, { "lepcha,lepc,", 0x0, "WW7t13E32" }, { "limbu,limb,", 0x0, "We6U1B4B403B" }, {
    "lineara,lina,", 0x0, "WmX2s99LA7" }, { "linearb,linb,", 0x0, "WWW2B1P1I111E2DY1w3" }, {
    "lisu,", 0x0, "mcf1l1mrU0" }, { "ll,lowercaseletter,", 0x4, "" }, { "lm,modifierletter,", 0x10,
    "" }, { "lo,otherletter,", 0x20, "" }, { "logicalorderexception,loe,", 0x0,
    "Wo34x34mt2220wda112011" }, { "lowercase,lower,", 0x4,
    "g50F0rF871U4W30q10Xi30lX3-1D0Y1a1nL0D0GCp6FmQPoy11-mU1o60X4231YR390sWN0221f118rZs1z1" }, {
    "lt,titlecaseletter,", 0x8, "" }, { "lu,uppercaseletter,", 0x2, "" }, { "lycian,lyci,", 0x0,
    "WqW2S" }, { "lydian,lydi,", 0x0, "WfY2P50" }, { "m,combiningmark,mark,", 0x1c0, "" }, {
    "mahajani,mahj,", 0x0, "mga2c1" }, { "makasar,maka,", 0x0, "Wtd2O" }, { "malayalam,mlym,", 0x0,
    "We3C121o112154F2P" }, { "mandaic,mand,", 0x0, "WY2R20" }, { "manichaean,mani,", 0x0, "WsY2c14B"
    }, { "marchen,marc,", 0x0, "mZd2V2L1D" }, { "masaramgondi,gonm,", 0x0, "Wed26111h130111889" }, {
    "math,", 0x80000,
    "-20nR220Q121WX70R2B0W13O1E1X2C403144I04029103460312112153354h24231111101421414H2110161061Y"
    "93e5110O0H0zD1C854512134E01025O1v1010T391sA1V9pCL_13W11ZZr101040p6010Xcr1q21c2112021231B10"
    "161W21327161R131410361pA2O1O1U1O1U1O1U1O1U1O172n1Wm531Q11102019131010604010101211102010101"
    "01011102316131310191G52141G" }, { "mc,spacingmark,", 0x80, "" }, { "me,enclosingmark,", 0x100,
    "" }, { "medefaidrin,medf,", 0x0, "Wox2w2" }, { "meeteimayek,mtei,", 0x0, "Wtg1Mf6j129" }, {
    "mendekikakui,mend,", 0x0, "WWw3a62F" }, { "meroiticcursive,merc,", 0x0, "WjY2N4J2j1" }, {
    "meroitichieroglyphs,mero,inmeroitichieroglyphs,", 0x0, "WiY2V" }, { "miao,plrd,", 0x0,
    "Wux2g24u17G" }, { "mn,nonspacingmark,", 0x40, "" }, { "modi,", 0x0, "Wmb2a2B9" }, {
    "modifiercombiningmark,mcm,", 0x0, "qo1120Z406031XF11230V0" }, { "mongolian,mong,", 0x0,
    "WW61201J6u27g1rj_1C" }, { "mro,mroo,", 0x0, "Wow2U1941" }, { "multani,mult,", 0x0,
    "Wqa2610131E1A" }, { "myanmar,mymr,", 0x0, "WW4_4Wgc1UX3VmYRJ" }, { "n,number,", 0xe00, "" }, {
    "nabataean,nbat,", 0x0, "WaY2U88" }, { "nagmundari,nagm,", 0x0, "mcv3f1" }, {
    "nandinagari,nand,", 0x0, "Wjc272j12A" }, { "nd,decimalnumber,digit,", 0x200, "" }, { "newa,",
    0x0, "WWb2x214" }, { "newline,", 0x0, "A0" }, { "newtailue,talu,", 0x0, "Wi6h14P6A31" }, {
    "nko,nkoo,", 0x0, "W-1w122" }, { "nl,letternumber,", 0x400, "" }, { "no,othernumber,", 0x800, ""
    }, { "noncharactercodepoint,nchar,", 0x0,
    "mk_1VkG1-__11-__11-__11-__11-__11-__11-__11-__11-__11-__11-__11-__11-__11-__11-__11-__11" }, {
    "nushu,nshu,", 0x0, "X_x20kiGhC" }, { "nyiakengpuachuehmong,hmnp,", 0x0, "Weu3i13D2941" }, {
    "ogham,ogam,", 0x0, "Wq5S" }, { "olchiki,olck,inolchiki,", 0x0, "mY7l1" }, {
    "oldhungarian,hung,", 0x0, "WaZ2o1Do175" }, { "olditalic,ital,", 0x0, "WuW2Z192" }, {
    "oldnortharabian,narb,inoldnortharabian,", 0x0, "WqY2V" }, { "oldpermic,perm,", 0x0, "mwW2g1" },
    { "oldpersian,xpeo,", 0x0, "WzW2Z14D" }, { "oldsogdian,sogo,", 0x0, "WuZ2d1" }, {
    "oldsoutharabian,sarb,inoldsoutharabian,", 0x0, "WpY2V" }, { "oldturkic,orkh,", 0x0, "WWZ2e2" },
    { "olduyghur,ougr,", 0x0, "mxZ2P" }, { "olonal,onao,", 0x0, "mkv3g140" }, { "oriya,orya,", 0x0,
    "Xu2217212L1611142821227241142H" }, { "osage,osge,", 0x0, "mbX2Z14Z1" }, { "osmanya,osma,", 0x0,
    "WaX2T29" }, { "otheralphabetic,oalpha,", 0x0,
    "bQ0TCWID10111110e2Am1C16G0b36432140Z10UFc3Ab31381213g30y1B366Js112E1152A1T2w162121A0A1T2w1"
    "4412140U130B2w171211L1M242w16212191A1U0x143212A0e14v16121281B1T2w16121281B1F0C3w161212A0A1"
    "T2h251017I1z1026I0Z302511G0Z5I9A1Z1k3B1023N342122633DB10A3qp11U1U1U1Y2Iy51Y10s3B48-64v192J"
    "g21B2n14m1Ey12U821v1Ao1IyCX1Xs1p1sd2VqZU7Y11YB080N4u21o1F10v10c14SBj13m1Bb10Z2DC081j12o101"
    "22150i1450j77pvJ0tY24cq121153qO3X20XA1l20Z82r1Dj11B2j1890z12a1BI1v12m1CE1y28206020z49N3w16"
    "2121A0A1q2810201311d3C12g3Hj7626T1o2E10g3Ad3DX8Ct7511213010k462540S9g1413IAk1DtC716p2L1Dw3"
    "53011121030Y241113yA39110m1632zkGGWn301s173z21ibJ0Xx861G261114a30tb20e_1P6P6P" }, {
    "otherdefaultignorablecodepoint,odi,", 0x0, "lQ0lm31po11lb20-d40xnp10l28dWWQ01TW3_3m7lm3" }, {
    "othergraphemeextend,ogrext,", 0x0,
    "-j20O0cB0O0c30O0e7010411191d30O0t30F0rf20U0WW10501051b30d21uW10XX41ZfU0i30zkL1Wn40q30e80E0"
    "90W3090201250W70C0n70c80vJ0C0Zm10kbK1phO165jrhO_2" }, { "otheridcontinue,oidc,", 0x0,
    "t50lM0X_38ep10nn11jd40fpp10" }, { "otheridstart,oids,", 0x0, "ba61na20L0ix31" }, {
    "otherlowercase,olower,", 0x0,
    "g50F0rF871U4W30q10Xi30lX3-1D0Y1a1nL0D0GCp6FmQPoy11-mU1o60X4231YR390sWN0221f118rZs1z1" }, {
    "othermath,omath,", 0x0,
    "-20nR220Q121WX70R2B0W13O1E1X2C403144I04029103460312112153354h24231111101421414H2110161061Y"
    "93e5110O0H0zD1C854512134E01025O1v1010T391sA1V9pCL_13W11ZZr101040p6010Xcr1q21c2112021231B10"
    "161W21327161R131410361pA2O1O1U1O1U1O1U1O1U1O172n1Wm531Q11102019131010604010101211102010101"
    "01011102316131310191G52141G" }, { "otheruppercase,oupper,", 0x0, "Wh8FcQPWZp3P6P6P" }, {
    "p,punct,punctuation,", 0x40000,
    "e1130j101010R010j10F0kc10p10xh23Yc10wK1fB0fW2527P14141D0e11E1vJ3T1zX1Dl21V9pCL_13W11aW1331"
    "1190201129G14010I8gD92BG0l30zap11t61OJ21428640a5130j101010R0101111gm30-90" }, {
    "pahawhhmong,hmng,", 0x0, "Wuw2b2A9161K5I" }, { "palmyrene,palm,inpalmyrene,", 0x0, "WZY2V" }, {
    "patternsyntax,patsyn,", 0x0,
    "X1EA6Q310Q3Y1610111011404030N0V0uu7N8E2I19n9lMW5rJUhZ1WG_3XC24OF0jep11b81" }, {
    "patternwhitespace,patws,", 0x0, "94I0a30ey71O1" }, { "paucinhau,pauc,", 0x0, "Wsc2u1" }, {
    "pc,connectorpunctuation,", 0x1000, "" }, { "pd,dashpunctuation,", 0x2000, "" }, {
    "pe,closepunctuation,", 0x8000, "" }, { "pf,finalpunctuation,", 0x20000, "" }, {
    "phagspa,phag,", 0x0, "WYg1t1" }, { "phoenician,phnx,", 0x0, "WeY2R30" }, {
    "pi,initialpunctuation,", 0x10000, "" }, { "po,otherpunctuation,", 0x40000, "" }, {
    "posixpunct,", 0x740000,
    "e111010E2S01010R3i114090R0V0-N0pC0p10d22nf23Yc10wK1fB0fW2527P14132B010b14B4f40d1460a245140"
    "202070V12010Vh883K171n20UOe15rE090s17l30u7Dg2_1W8_Fm1K25rL3311190201129G14010I8gD92BG0l30e"
    "qo10qG1t61OJ21428634X511010E2S01010R511-3063Xi30V1z80pWo10P0V0P0V0P0V0P0V0P0iv51" }, {
    "prependedconcatenationmark,pcm,", 0x0, "Wm15t60n10WC1m20w-X20F0" }, { "print,", 0x28400a20,
    "W1FAa2X151121201024203x7134l61Y72546101J1-61i51b12n1401s1h11H72B12W10AKA320Z30162913ID30UQ"
    "x2Aw1A1322MN2EQ220f10E8f1O1W1s121H16A3A1F2u1016212290A1E1701122u1014412230U131A2u10171212K"
    "1C18512u1016212272A1U0x14321390X1064t1016121371B1J093t1016121371B1F0C3t1116121390A1T2c2045"
    "1017I2y10264069A1r20289016r1E1031R01016n1M5A1Z1909441m2JB56342122633DB10A32b110502l1zIBt1r"
    "22520jJ0H0Q1k25X13S4R1U1W2d110Y1D10p10X21Y10s3B4B81n6421r191S20W1D2Un14l1G91A6A895UCu1D83a"
    "1J34u1I5g12A8O4060226rG252b125271010101U2q11E1D251I22181A5N7m1H085A41C3W1FW1H0402910256010"
    "101315402D1020He1745140202070V12010Vh883K171n20UOe15rE090s17l30u7Dg2_1W8_Fm1K25p5a768531d1"
    "1050X21E0W3l32BYD3101A2B1K2310x2510w23suR0Yd17i83m1j11m1c2H8k41z1211017L412703040N440B0x13"
    "81o1H81GH621020c19NCB0W13l1Q10E151Y2DC081E3G0A2o1012215110R2B613v1x14l2Z1AouJ6C460A0e4GxB1"
    "y503P6o11I13r4EAh2A0j11W231123p82z1q1e40Y70W3080h14a10m15g1l2W3Z14Z1p3B1E16111A1E1611ZE51f"
    "118y40d60V0X621153e1240G8c10b3196Y26v23Z7o1Do1n13c101L3S81x82k23c2A44e17s32r1LY1021A3j1C14"
    "z12a1DB311i12A2m1D4AB012i2I20d30r1BL3t1116212290A12634Z281020131410111181o2H44A111n2J20e76"
    "2V41o2JSC-1C10Z3EG2j7Fa3_1m2511231014g46261010S9e161C9Ak1I14z29t60j271714g11W1L1Dw35301116"
    "10Y241114xA57110m163HA0Y43U0WW1k314yx21jY106EecBH-f21W45w1B44xF2e14m6_1N3q501s17GW24B1-_F3"
    "1611-a32Wp4j12M-G4358726U3q42xDq21c2112021231B10161W21327161R131410361pA2Z9qHs14n180E024F4"
    "1EmY191J65r661G2611145z1X10W5DmB0z13F0hF4-71F0mM6f1h2I1mQ0_H1fe14WeZOl7" }, {
    "ps,openpunctuation,", 0x4000, "" }, { "psalterpahlavi,phlp,", 0x0, "WyY2H73C6" }, {
    "quotationmark,qmark,", 0x0, "Y1040Z40F0yw77P1dm30fE3D2Xnp13z5040w21" }, { "radical,", 0x0,
    "WqBP1u2Cr6" }, { "regionalindicator,ri,", 0x0, "cly3P" }, { "rejang,rjng,", 0x0, "mfg1Z1B0" },
    { "runic,runr,", 0x0, "Wr5g23A" }, { "s,symbol,", 0x780000, "" }, { "samaritan,samr,", 0x0,
    "WW2j12E" }, { "saurashtra,saur,", 0x0, "Wag1b28B" }, { "sc,currencysymbol,", 0x100000, "" }, {
    "sentenceterminal,sterm,", 0x0,
    "X10C0G0fg10p42q50h12s70z101031b91at11sO041bO0c61z41j1050w91YB3Y51A121T2x51X21aT0N192lb32o9"
    "0D0M1jD0ydT0k81Z7030-B1s21_20u41p42m41v70cnK021x1031f50C0G0X20qt21zd14i13z51r33_32X4160G1u"
    "2111i30g91r31rB15Ef31v72bG010x71t21aD1qL1g21fvI1b40X21B0fH1e90cmJ0el70" }, {
    "sharada,shrd,insharada,", 0x0, "Wia2_2" }, { "shavian,shaw,inshavian,", 0x0, "mYX2l1" }, {
    "siddham,sidd,", 0x0, "Wib2r12b1" }, { "signwriting,sgnw,", 0x0, "WWs3hKF41E" }, {
    "sinhala,sinh,", 0x0, "Xi321H3N181026304510176922i_W2J" }, { "sk,modifiersymbol,", 0x200000, ""
    }, { "sm,mathsymbol,", 0x80000, "" }, { "so,othersymbol,", 0x400000, "" }, { "softdotted,sd,",
    0x0,
    "f31a60v80U0q10K0WA0Y3010fe60p10D030a40z40bD0s61ov20bzf31o11o11o11o11o11o11o11o11o11o11o11o"
    "11ca20n91Q0" }, { "sogdian,sogd,", 0x0, "mvZ2f1" }, { "sorasompeng,sora,", 0x0, "mca2O79" }, {
    "soyombo,soyo,", 0x0, "moc2o2" }, { "sundanese,sund,", 0x0, "Wy6_1W87" }, { "sunuwar,sunu,",
    0x0, "W-c2X1E9" }, { "sylotinagri,sylo,", 0x0, "WWg1i1" }, { "syriac,syrc,", 0x0, "Wu1D1x122m8A"
    }, { "tagalog,tglg,", 0x0, "Wu5L90" }, { "tagbanwa,tagb,", 0x0, "Wx5C1211" }, { "taile,tale,",
    0x0, "mg6T24" }, { "taitham,lana,", 0x0, "Wn6-11S2A696D" }, { "taiviet,tavt,", 0x0, "Wqg1Y2O4"
    }, { "takri,takr,", 0x0, "Wqb2v169" }, { "tamil,taml,", 0x0,
    "Yy2115321331101131323B4432132060EKb-a2n1D0" }, { "tangsa,tnsa,", 0x0, "mpw2k219" }, {
    "tangut,tang,", 0x0, "W_x20Vt_58_NWG8" }, { "telugu,telu,", 0x0, "WW3C121M1F281213711220232978"
    }, { "terminalpunctuation,term,", 0x0,
    "X10A010B130-P080XG0v10e20E012q50h1A10h71s1517V0b81qd11i5045t91rO7bO0y32d21z4230d1321w91YB3"
    "Y51A112T2x54-11aT0N192lb32o90D040A01131iD1xdT1j82Z74-B1s21_20t42p42_30G1v70cnK021v1213f50A"
    "010B130X2020wX10m10ca10d60s91u45a25v23uT4i13z56m33_32X4160G1u24i30g91r32C1cB33Ef31v72bG010"
    "x71t2141-C2j10bK1g21hf14vlH1b40X22A0fH1d91cmJ0dl73" }, { "thaana,thaa,", 0x0, "Wy1n1" }, {
    "thai,", 0x0, "Xm3v15R" }, { "tibetan,tibt,", 0x0, "Wu3d21Z14c11Z11E1641" }, { "tifinagh,tfng,",
    0x0, "mfBt171E0" }, { "tirhuta,tirh,", 0x0, "Wab2d289" }, { "todhri,todr,", 0x0, "WkX2p1" }, {
    "toto,", 0x0, "mqu3U" }, { "tulutigalari,tutg,", 0x0, "Wya2910201b119102013191181" }, {
    "ugaritic,ugar,", 0x0, "WyW2T10" }, { "unifiedideograph,uideo,", 0x0,
    "WWD_j6W2_lKkmM11011A0101122skX2_sf1W1vX46z62Xq5Emf7FjJYj4gw45_Y4" }, { "unknown,zzzz,",
    0x20000001, "" }, { "uppercase,upper,", 0x2, "Wh8FcQPWZp3P6P6P" }, { "vai,vaii,", 0x0, "Wef1h9"
    }, { "variationselector,vs,", 0x0, "hW6210mlv1FmtWQl7" }, { "vithkuqi,vith,", 0x0,
    "mhX2A1E16111A1E1611" }, { "wancho,wcho,", 0x0, "Wsu3v150" }, { "warangciti,wara,", 0x0,
    "Wbc2o2C0" }, { "whitespace,wspace,space,", 0x800000, "94t30Yz71" }, { "word,", 0x17e0,
    "X2P6Pw10AM1U1Y6134l61i14BE47010X441123106012101J1o21g48b51b1206e1t50a51j8140V09030W50d50qc"
    "10_30vEb110502g113WLr225vU0h30ZJ0mE52A5g122W2_5W2r8252b125271010101U2q11610321633254C5216q"
    "30D0GCb3040291034601010131540235440q11nPp1su1a76331Cb11050X20_50rE0h1450X31z22suR0Yd15k80p"
    "1j1HUv382c3231z1211017L412qE0M0f40i30L1x1g11D6l2WwJ6C4fW1P6PL0j11WZ1l2W3Z14Z1q3A1E16111A1E"
    "1611ZE51f118bc1o1Do1x201L9Mwu2_1WpK3yF2e11p6_1p8CW2110iWG31611XW9q21c2112021231B10161W2132"
    "7161R131410361pA2O1O1U1O1U1O1U1O1U1O17qv191J65b8z1f66jT0qW1Z270a_1P6P6P" }, {
    "xidcontinue,xidc,", 0x16e0,
    "X2P6Pw10108M1U1Y6134l61i14BE47010X4411321064101J1o21g48b51b1206e1t50a51j8140V09030W50d50qc"
    "10_30vEb110502g113fJ8k1r225vU0h30sC0i60mE52A5g122W2_5W2r8252b125271010101U2q11610321633254"
    "C5216F1Z30D0GCb30402910256010101A40235440q11xp2a76331Cb11050X20rK0h1450X31y23suR0Yd15k80p1"
    "j1HUv382c3231z1211017L412qE0M0f40i30L1x1g11D6l2WwJ6C4cA5sC1q3010101010101010Y5P6PA0A0j11WZ"
    "1l2W3Z14Z1q3A1E16111A1E1611ZE51f118bc1o1Do1x201L9Mwu2_1WpK3yF2e11p6_1p8CW2110iWG31611XW9q2"
    "1c2112021231B10161W21327161R131410361pA2O1O1U1O1U1O1U1O1U1O17qv191J65b8z1f66jT0qW1Z270" }, {
    "xidstart,xids,", 0x430,
    "X2P6Pw10AM1U1Y6134l61QW632123106012101J1o21g48b51b19e1gb20_30iFb110502g122WLr225da11vVA5g1"
    "22W2h1_1C1X1b3r8252b125271010101U2q11610321633254C5216b80402910256010101A40235440q11xp2x32"
    "c36331Cb11050X80mWUj1IRc4j21M331z1211017O130rPg1587l2WwJ6C4cA5sC1q3010101010101010Y5P6PZ21"
    "WZ1l2W3Z14Z1q3A1E16111A1E1611Zs1o1Do1z2LALwu2_1WhL_1WiPq21c2112021231B10161W21327161R13141"
    "0361pA2O1O1U1O1U1O1U1O1U1O17qv191J65rk2Z2" }, { "yezidi,yezi,", 0x0, "WqZ2f11221" }, {
    "yi,yiii,", 0x0, "WWe1ia13s1" }, { "z,separator,", 0x800000, "eX81" }, {
    "zanabazarsquare,zanb,", 0x0, "Wmc2d2" }, { "zl,lineseparator,", 0x1000000, "" }, {
    "zp,paragraphseparator,", 0x2000000, "" }, { "zs,spaceseparator,", 0x800000, "" },
};
#endif

/*
 * OpenSSL, loaded when the first listener wants TLS. Because a process that does without TLS should not pay for it: the
 * linker touches 1.9 MB of the two libraries' pages at the start, of which half a megabyte is private.
 *
 * Who uses OpenSSL here includes this header in place of OpenSSL's, and calls functions by their names. Each name is a
 * pointer of the function's true type in one table, so that a call costs what one through the linker's table does. A
 * function that weir has not used before gets a line in both lists below; without them the program does not link.
 *
 * With WEIR_LINKED, as in programs without shared libraries, OpenSSL is linked, and there is no table.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_OPENSSL_H
#define WEIR_NET_TLS_OPENSSL_H

#include "base/debug.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/ocsp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

/* Makes OpenSSL's functions callable; the first call loads the libraries, which stay until the process ends. Before any
 * of them is called, on any thread; may block. NULL; or what is missing, a static text. */
const char *openssl_load(void) MUST_CHECK;

#if !WEIR_LINKED

// clang-format off
/* The functions that weir uses. */
#define OPENSSL_FUNCTIONS(X) \
    X(ASN1_IA5STRING_new) X(ASN1_INTEGER_set) X(ASN1_OCTET_STRING_new) X(ASN1_STRING_free) X(ASN1_STRING_get0_data) \
    X(ASN1_STRING_length) X(ASN1_STRING_set) X(BIO_clear_flags) X(BIO_ctrl) X(BIO_free) X(BIO_get_data) \
    X(BIO_meth_free) X(BIO_meth_new) X(BIO_meth_set_create) X(BIO_meth_set_ctrl) X(BIO_meth_set_destroy) \
    X(BIO_meth_set_read) X(BIO_meth_set_write) X(BIO_new) X(BIO_new_mem_buf) X(BIO_read) X(BIO_s_mem) X(BIO_s_secmem) \
    X(BIO_set_data) X(BIO_set_flags) X(BIO_set_init) X(BIO_up_ref) X(BIO_write) X(BN_bin2bn) X(BN_free) \
    X(BN_to_ASN1_INTEGER) X(CRYPTO_clear_free) X(CRYPTO_free) X(CRYPTO_malloc) X(CRYPTO_memcmp) X(CRYPTO_memdup) \
    X(CRYPTO_zalloc) X(d2i_OCSP_RESPONSE) X(ERR_clear_error) X(ERR_peek_last_error) X(ERR_reason_error_string) \
    X(EVP_CIPHER_CTX_ctrl) X(EVP_CIPHER_CTX_free) X(EVP_CIPHER_CTX_new) X(EVP_CIPHER_fetch) X(EVP_CIPHER_free) \
    X(EVP_CIPHER_get_iv_length) X(EVP_CipherInit_ex) X(EVP_CipherInit_ex2) X(EVP_DecryptFinal_ex) X(EVP_DecryptUpdate) \
    X(EVP_EncryptFinal_ex) X(EVP_EncryptUpdate) X(EVP_KDF_CTX_free) X(EVP_KDF_CTX_new) X(EVP_KDF_derive) \
    X(EVP_KDF_fetch) X(EVP_KDF_free) X(EVP_MAC_CTX_set_params) X(EVP_PKEY_free) X(EVP_PKEY_Q_keygen) X(EVP_sha256) \
    X(GENERAL_NAME_free) X(GENERAL_NAME_new) X(GENERAL_NAME_set0_value) X(GENERAL_NAMES_free) X(OCSP_RESPONSE_free) \
    X(OCSP_response_status) X(OPENSSL_cleanse) X(OPENSSL_sk_new_null) X(OPENSSL_sk_num) X(OPENSSL_sk_push) \
    X(OPENSSL_sk_value) X(OPENSSL_thread_stop) X(OSSL_PARAM_construct_end) X(OSSL_PARAM_construct_int) \
    X(OSSL_PARAM_construct_octet_string) X(OSSL_PARAM_construct_utf8_string) X(PEM_read_bio_PrivateKey) \
    X(PEM_read_bio_X509) X(PEM_read_bio_X509_AUX) X(PEM_write_bio_PrivateKey) X(PEM_write_bio_X509) X(RAND_bytes) \
    X(SSL_CIPHER_get_protocol_id) X(SSL_CIPHER_standard_name) X(SSL_ctrl) X(SSL_CTX_callback_ctrl) \
    X(SSL_CTX_check_private_key) X(SSL_CTX_ctrl) X(SSL_CTX_free) X(SSL_CTX_load_verify_file) X(SSL_CTX_new) \
    X(SSL_CTX_set_alpn_protos) X(SSL_CTX_set_alpn_select_cb) X(SSL_CTX_set_cipher_list) X(SSL_CTX_set_ciphersuites) \
    X(SSL_CTX_set_client_CA_list) X(SSL_CTX_set_default_verify_paths) X(SSL_CTX_set_keylog_callback) \
    X(SSL_CTX_set_max_early_data) X(SSL_CTX_set_num_tickets) X(SSL_CTX_set_options) X(SSL_CTX_set_recv_max_early_data) \
    X(SSL_CTX_set_session_id_context) X(SSL_CTX_set_timeout) X(SSL_CTX_set_tlsext_ticket_key_evp_cb) \
    X(SSL_CTX_set_verify) X(SSL_CTX_up_ref) X(SSL_CTX_use_certificate) X(SSL_CTX_use_certificate_chain_file) \
    X(SSL_CTX_use_PrivateKey) X(SSL_CTX_use_PrivateKey_file) X(SSL_do_handshake) X(SSL_free) X(SSL_get0_alpn_selected) \
    X(SSL_get0_param) X(SSL_get0_peer_certificate) X(SSL_get1_session) X(SSL_get_client_random) \
    X(SSL_get_current_cipher) X(SSL_get_current_compression) X(SSL_get_early_data_status) X(SSL_get_error) \
    X(SSL_get_ex_data) X(SSL_get_rbio) X(SSL_get_server_random) X(SSL_get_servername) X(SSL_get_session) \
    X(SSL_get_shutdown) X(SSL_get_SSL_CTX) X(SSL_get_verify_result) X(SSL_get_version) X(SSL_has_pending) \
    X(SSL_is_init_finished) X(SSL_key_update) X(SSL_load_client_CA_file) X(SSL_new) X(SSL_peek_ex) X(SSL_pending) \
    X(SSL_read) X(SSL_read_ex) X(SSL_select_next_proto) X(SSL_SESSION_free) X(SSL_SESSION_get_master_key) \
    X(SSL_SESSION_get_max_fragment_length) X(SSL_session_reused) X(SSL_set1_host) X(SSL_set_accept_state) \
    X(SSL_set_bio) X(SSL_set_cipher_list) X(SSL_set_ciphersuites) X(SSL_set_connect_state) X(SSL_set_ex_data) \
    X(SSL_set_hostflags) X(SSL_set_session) X(SSL_set_shutdown) X(SSL_set_SSL_CTX) X(SSL_shutdown) X(SSL_version) \
    X(SSL_write) X(SSL_write_ex) X(TLS_client_method) X(TLS_server_method) X(X509_add1_ext_i2d) \
    X(X509_cmp_current_time) X(X509_free) X(X509_get0_notAfter) X(X509_get0_notBefore) X(X509_get_default_cert_file) \
    X(X509_get_default_cert_file_env) X(X509_get_ext_d2i) X(X509_get_serialNumber) X(X509_get_subject_name) \
    X(X509_getm_notAfter) X(X509_getm_notBefore) X(X509_gmtime_adj) X(X509_NAME_add_entry_by_txt) \
    X(X509_NAME_ENTRY_get_data) X(X509_NAME_get_entry) X(X509_NAME_get_index_by_NID) X(X509_NAME_print_ex) X(X509_new) \
    X(X509_set_issuer_name) X(X509_set_pubkey) X(X509_set_version) X(X509_sign) X(X509_verify_cert_error_string) \
    X(X509_VERIFY_PARAM_set1_ip_asc)
// clang-format on

/* One page of pointers, set once and read-only from then on, as the linker's own table is. */
struct openssl_table {
#define OPENSSL_POINTER(name) __typeof__(name) *name;
    OPENSSL_FUNCTIONS(OPENSSL_POINTER)
#undef OPENSSL_POINTER
} __attribute__((aligned(4096)));
extern struct openssl_table openssl_table;

#ifndef OPENSSL_OWN_NAMES /* whoever defines this means the linker's functions by these names */
#define ASN1_IA5STRING_new                   openssl_table.ASN1_IA5STRING_new
#define ASN1_INTEGER_set                     openssl_table.ASN1_INTEGER_set
#define ASN1_OCTET_STRING_new                openssl_table.ASN1_OCTET_STRING_new
#define ASN1_STRING_free                     openssl_table.ASN1_STRING_free
#define ASN1_STRING_get0_data                openssl_table.ASN1_STRING_get0_data
#define ASN1_STRING_length                   openssl_table.ASN1_STRING_length
#define ASN1_STRING_set                      openssl_table.ASN1_STRING_set
#define BIO_clear_flags                      openssl_table.BIO_clear_flags
#define BIO_ctrl                             openssl_table.BIO_ctrl
#define BIO_free                             openssl_table.BIO_free
#define BIO_get_data                         openssl_table.BIO_get_data
#define BIO_meth_free                        openssl_table.BIO_meth_free
#define BIO_meth_new                         openssl_table.BIO_meth_new
#define BIO_meth_set_create                  openssl_table.BIO_meth_set_create
#define BIO_meth_set_ctrl                    openssl_table.BIO_meth_set_ctrl
#define BIO_meth_set_destroy                 openssl_table.BIO_meth_set_destroy
#define BIO_meth_set_read                    openssl_table.BIO_meth_set_read
#define BIO_meth_set_write                   openssl_table.BIO_meth_set_write
#define BIO_new                              openssl_table.BIO_new
#define BIO_new_mem_buf                      openssl_table.BIO_new_mem_buf
#define BIO_read                             openssl_table.BIO_read
#define BIO_s_mem                            openssl_table.BIO_s_mem
#define BIO_s_secmem                         openssl_table.BIO_s_secmem
#define BIO_set_data                         openssl_table.BIO_set_data
#define BIO_set_flags                        openssl_table.BIO_set_flags
#define BIO_set_init                         openssl_table.BIO_set_init
#define BIO_up_ref                           openssl_table.BIO_up_ref
#define BIO_write                            openssl_table.BIO_write
#define BN_bin2bn                            openssl_table.BN_bin2bn
#define BN_free                              openssl_table.BN_free
#define BN_to_ASN1_INTEGER                   openssl_table.BN_to_ASN1_INTEGER
#define CRYPTO_clear_free                    openssl_table.CRYPTO_clear_free
#define CRYPTO_free                          openssl_table.CRYPTO_free
#define CRYPTO_malloc                        openssl_table.CRYPTO_malloc
#define CRYPTO_memcmp                        openssl_table.CRYPTO_memcmp
#define CRYPTO_memdup                        openssl_table.CRYPTO_memdup
#define CRYPTO_zalloc                        openssl_table.CRYPTO_zalloc
#define d2i_OCSP_RESPONSE                    openssl_table.d2i_OCSP_RESPONSE
#define ERR_clear_error                      openssl_table.ERR_clear_error
#define ERR_peek_last_error                  openssl_table.ERR_peek_last_error
#define ERR_reason_error_string              openssl_table.ERR_reason_error_string
#define EVP_CIPHER_CTX_ctrl                  openssl_table.EVP_CIPHER_CTX_ctrl
#define EVP_CIPHER_CTX_free                  openssl_table.EVP_CIPHER_CTX_free
#define EVP_CIPHER_CTX_new                   openssl_table.EVP_CIPHER_CTX_new
#define EVP_CIPHER_fetch                     openssl_table.EVP_CIPHER_fetch
#define EVP_CIPHER_free                      openssl_table.EVP_CIPHER_free
#define EVP_CIPHER_get_iv_length             openssl_table.EVP_CIPHER_get_iv_length
#define EVP_CipherInit_ex                    openssl_table.EVP_CipherInit_ex
#define EVP_CipherInit_ex2                   openssl_table.EVP_CipherInit_ex2
#define EVP_DecryptFinal_ex                  openssl_table.EVP_DecryptFinal_ex
#define EVP_DecryptUpdate                    openssl_table.EVP_DecryptUpdate
#define EVP_EncryptFinal_ex                  openssl_table.EVP_EncryptFinal_ex
#define EVP_EncryptUpdate                    openssl_table.EVP_EncryptUpdate
#define EVP_KDF_CTX_free                     openssl_table.EVP_KDF_CTX_free
#define EVP_KDF_CTX_new                      openssl_table.EVP_KDF_CTX_new
#define EVP_KDF_derive                       openssl_table.EVP_KDF_derive
#define EVP_KDF_fetch                        openssl_table.EVP_KDF_fetch
#define EVP_KDF_free                         openssl_table.EVP_KDF_free
#define EVP_MAC_CTX_set_params               openssl_table.EVP_MAC_CTX_set_params
#define EVP_PKEY_free                        openssl_table.EVP_PKEY_free
#define EVP_PKEY_Q_keygen                    openssl_table.EVP_PKEY_Q_keygen
#define EVP_sha256                           openssl_table.EVP_sha256
#define GENERAL_NAME_free                    openssl_table.GENERAL_NAME_free
#define GENERAL_NAME_new                     openssl_table.GENERAL_NAME_new
#define GENERAL_NAME_set0_value              openssl_table.GENERAL_NAME_set0_value
#define GENERAL_NAMES_free                   openssl_table.GENERAL_NAMES_free
#define OCSP_RESPONSE_free                   openssl_table.OCSP_RESPONSE_free
#define OCSP_response_status                 openssl_table.OCSP_response_status
#define OPENSSL_cleanse                      openssl_table.OPENSSL_cleanse
#define OPENSSL_sk_new_null                  openssl_table.OPENSSL_sk_new_null
#define OPENSSL_sk_num                       openssl_table.OPENSSL_sk_num
#define OPENSSL_sk_push                      openssl_table.OPENSSL_sk_push
#define OPENSSL_sk_value                     openssl_table.OPENSSL_sk_value
#define OPENSSL_thread_stop                  openssl_table.OPENSSL_thread_stop
#define OSSL_PARAM_construct_end             openssl_table.OSSL_PARAM_construct_end
#define OSSL_PARAM_construct_int             openssl_table.OSSL_PARAM_construct_int
#define OSSL_PARAM_construct_octet_string    openssl_table.OSSL_PARAM_construct_octet_string
#define OSSL_PARAM_construct_utf8_string     openssl_table.OSSL_PARAM_construct_utf8_string
#define PEM_read_bio_PrivateKey              openssl_table.PEM_read_bio_PrivateKey
#define PEM_read_bio_X509                    openssl_table.PEM_read_bio_X509
#define PEM_read_bio_X509_AUX                openssl_table.PEM_read_bio_X509_AUX
#define PEM_write_bio_PrivateKey             openssl_table.PEM_write_bio_PrivateKey
#define PEM_write_bio_X509                   openssl_table.PEM_write_bio_X509
#define RAND_bytes                           openssl_table.RAND_bytes
#define SSL_CIPHER_get_protocol_id           openssl_table.SSL_CIPHER_get_protocol_id
#define SSL_CIPHER_standard_name             openssl_table.SSL_CIPHER_standard_name
#define SSL_ctrl                             openssl_table.SSL_ctrl
#define SSL_CTX_callback_ctrl                openssl_table.SSL_CTX_callback_ctrl
#define SSL_CTX_check_private_key            openssl_table.SSL_CTX_check_private_key
#define SSL_CTX_ctrl                         openssl_table.SSL_CTX_ctrl
#define SSL_CTX_free                         openssl_table.SSL_CTX_free
#define SSL_CTX_load_verify_file             openssl_table.SSL_CTX_load_verify_file
#define SSL_CTX_new                          openssl_table.SSL_CTX_new
#define SSL_CTX_set_alpn_protos              openssl_table.SSL_CTX_set_alpn_protos
#define SSL_CTX_set_alpn_select_cb           openssl_table.SSL_CTX_set_alpn_select_cb
#define SSL_CTX_set_cipher_list              openssl_table.SSL_CTX_set_cipher_list
#define SSL_CTX_set_ciphersuites             openssl_table.SSL_CTX_set_ciphersuites
#define SSL_CTX_set_client_CA_list           openssl_table.SSL_CTX_set_client_CA_list
#define SSL_CTX_set_default_verify_paths     openssl_table.SSL_CTX_set_default_verify_paths
#define SSL_CTX_set_keylog_callback          openssl_table.SSL_CTX_set_keylog_callback
#define SSL_CTX_set_max_early_data           openssl_table.SSL_CTX_set_max_early_data
#define SSL_CTX_set_num_tickets              openssl_table.SSL_CTX_set_num_tickets
#define SSL_CTX_set_options                  openssl_table.SSL_CTX_set_options
#define SSL_CTX_set_recv_max_early_data      openssl_table.SSL_CTX_set_recv_max_early_data
#define SSL_CTX_set_session_id_context       openssl_table.SSL_CTX_set_session_id_context
#define SSL_CTX_set_timeout                  openssl_table.SSL_CTX_set_timeout
#define SSL_CTX_set_tlsext_ticket_key_evp_cb openssl_table.SSL_CTX_set_tlsext_ticket_key_evp_cb
#define SSL_CTX_set_verify                   openssl_table.SSL_CTX_set_verify
#define SSL_CTX_up_ref                       openssl_table.SSL_CTX_up_ref
#define SSL_CTX_use_certificate              openssl_table.SSL_CTX_use_certificate
#define SSL_CTX_use_certificate_chain_file   openssl_table.SSL_CTX_use_certificate_chain_file
#define SSL_CTX_use_PrivateKey               openssl_table.SSL_CTX_use_PrivateKey
#define SSL_CTX_use_PrivateKey_file          openssl_table.SSL_CTX_use_PrivateKey_file
#define SSL_do_handshake                     openssl_table.SSL_do_handshake
#define SSL_free                             openssl_table.SSL_free
#define SSL_get0_alpn_selected               openssl_table.SSL_get0_alpn_selected
#define SSL_get0_param                       openssl_table.SSL_get0_param
#define SSL_get0_peer_certificate            openssl_table.SSL_get0_peer_certificate
#define SSL_get1_session                     openssl_table.SSL_get1_session
#define SSL_get_client_random                openssl_table.SSL_get_client_random
#define SSL_get_current_cipher               openssl_table.SSL_get_current_cipher
#define SSL_get_current_compression          openssl_table.SSL_get_current_compression
#define SSL_get_early_data_status            openssl_table.SSL_get_early_data_status
#define SSL_get_error                        openssl_table.SSL_get_error
#define SSL_get_ex_data                      openssl_table.SSL_get_ex_data
#define SSL_get_rbio                         openssl_table.SSL_get_rbio
#define SSL_get_server_random                openssl_table.SSL_get_server_random
#define SSL_get_servername                   openssl_table.SSL_get_servername
#define SSL_get_session                      openssl_table.SSL_get_session
#define SSL_get_shutdown                     openssl_table.SSL_get_shutdown
#define SSL_get_SSL_CTX                      openssl_table.SSL_get_SSL_CTX
#define SSL_get_verify_result                openssl_table.SSL_get_verify_result
#define SSL_get_version                      openssl_table.SSL_get_version
#define SSL_has_pending                      openssl_table.SSL_has_pending
#define SSL_is_init_finished                 openssl_table.SSL_is_init_finished
#define SSL_key_update                       openssl_table.SSL_key_update
#define SSL_load_client_CA_file              openssl_table.SSL_load_client_CA_file
#define SSL_new                              openssl_table.SSL_new
#define SSL_peek_ex                          openssl_table.SSL_peek_ex
#define SSL_pending                          openssl_table.SSL_pending
#define SSL_read                             openssl_table.SSL_read
#define SSL_read_ex                          openssl_table.SSL_read_ex
#define SSL_select_next_proto                openssl_table.SSL_select_next_proto
#define SSL_SESSION_free                     openssl_table.SSL_SESSION_free
#define SSL_SESSION_get_master_key           openssl_table.SSL_SESSION_get_master_key
#define SSL_SESSION_get_max_fragment_length  openssl_table.SSL_SESSION_get_max_fragment_length
#define SSL_session_reused                   openssl_table.SSL_session_reused
#define SSL_set1_host                        openssl_table.SSL_set1_host
#define SSL_set_accept_state                 openssl_table.SSL_set_accept_state
#define SSL_set_bio                          openssl_table.SSL_set_bio
#define SSL_set_cipher_list                  openssl_table.SSL_set_cipher_list
#define SSL_set_ciphersuites                 openssl_table.SSL_set_ciphersuites
#define SSL_set_connect_state                openssl_table.SSL_set_connect_state
#define SSL_set_ex_data                      openssl_table.SSL_set_ex_data
#define SSL_set_hostflags                    openssl_table.SSL_set_hostflags
#define SSL_set_session                      openssl_table.SSL_set_session
#define SSL_set_shutdown                     openssl_table.SSL_set_shutdown
#define SSL_set_SSL_CTX                      openssl_table.SSL_set_SSL_CTX
#define SSL_shutdown                         openssl_table.SSL_shutdown
#define SSL_version                          openssl_table.SSL_version
#define SSL_write                            openssl_table.SSL_write
#define SSL_write_ex                         openssl_table.SSL_write_ex
#define TLS_client_method                    openssl_table.TLS_client_method
#define TLS_server_method                    openssl_table.TLS_server_method
#define X509_add1_ext_i2d                    openssl_table.X509_add1_ext_i2d
#define X509_cmp_current_time                openssl_table.X509_cmp_current_time
#define X509_free                            openssl_table.X509_free
#define X509_get0_notAfter                   openssl_table.X509_get0_notAfter
#define X509_get0_notBefore                  openssl_table.X509_get0_notBefore
#define X509_get_default_cert_file           openssl_table.X509_get_default_cert_file
#define X509_get_default_cert_file_env       openssl_table.X509_get_default_cert_file_env
#define X509_get_ext_d2i                     openssl_table.X509_get_ext_d2i
#define X509_get_serialNumber                openssl_table.X509_get_serialNumber
#define X509_get_subject_name                openssl_table.X509_get_subject_name
#define X509_getm_notAfter                   openssl_table.X509_getm_notAfter
#define X509_getm_notBefore                  openssl_table.X509_getm_notBefore
#define X509_gmtime_adj                      openssl_table.X509_gmtime_adj
#define X509_NAME_add_entry_by_txt           openssl_table.X509_NAME_add_entry_by_txt
#define X509_NAME_ENTRY_get_data             openssl_table.X509_NAME_ENTRY_get_data
#define X509_NAME_get_entry                  openssl_table.X509_NAME_get_entry
#define X509_NAME_get_index_by_NID           openssl_table.X509_NAME_get_index_by_NID
#define X509_NAME_print_ex                   openssl_table.X509_NAME_print_ex
#define X509_new                             openssl_table.X509_new
#define X509_set_issuer_name                 openssl_table.X509_set_issuer_name
#define X509_set_pubkey                      openssl_table.X509_set_pubkey
#define X509_set_version                     openssl_table.X509_set_version
#define X509_sign                            openssl_table.X509_sign
#define X509_verify_cert_error_string        openssl_table.X509_verify_cert_error_string
#define X509_VERIFY_PARAM_set1_ip_asc        openssl_table.X509_VERIFY_PARAM_set1_ip_asc
#endif

#endif
#endif
